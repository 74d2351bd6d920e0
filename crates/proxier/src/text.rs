//! The lines of iptables-restore input.
//!
//! Knows nothing of why a line is written.

use crate::chain::{ChainName, Table};
use crate::rule::Rule;

/// Opens a table.
pub fn begin(table: Table, out: &mut Vec<u8>) {
    out.push(b'*');
    out.extend_from_slice(table.name().as_bytes());
    out.push(b'\n');
}

/// Makes a chain, or empties it if it exists.
pub fn declare(chain: &ChainName, out: &mut Vec<u8>) {
    out.push(b':');
    chain.write(out);
    out.extend_from_slice(b" - [0:0]\n");
}

/// Appends a rule to a chain.
pub fn append(chain: &ChainName, rule: &Rule, out: &mut Vec<u8>) {
    out.extend_from_slice(b"-A ");
    chain.write(out);
    rule.write(out);
    out.push(b'\n');
}

/// Deletes an empty chain to which nothing jumps.
pub fn delete_chain(chain: &ChainName, out: &mut Vec<u8>) {
    out.extend_from_slice(b"-X ");
    chain.write(out);
    out.push(b'\n');
}

/// Makes everything since [`begin`] visible at once.
pub fn commit(out: &mut Vec<u8>) {
    out.extend_from_slice(b"COMMIT\n");
}
