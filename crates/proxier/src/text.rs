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

/// Makes a chain that does not exist; refused if it does.
pub fn create(chain: &ChainName, out: &mut Vec<u8>) {
    option("-N ", chain, out);
    out.push(b'\n');
}

/// Puts a rule first in a chain.
pub fn insert(chain: &ChainName, rule: &Rule, out: &mut Vec<u8>) {
    option("-I ", chain, out);
    self::rule(rule, out);
}

/// Appends a rule to a chain.
pub fn append(chain: &ChainName, rule: &Rule, out: &mut Vec<u8>) {
    option("-A ", chain, out);
    self::rule(rule, out);
}

/// Appends rules, one in each line as [`rule`] writes them, to a chain.
pub fn append_lines<'a>(chain: &ChainName, rules: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for rule in rules {
        option("-A ", chain, out);
        out.extend_from_slice(rule);
    }
}

/// Puts a rule, as [`rule`] writes it, before the one at a position counted from 1.
pub fn insert_line(chain: &ChainName, position: usize, rule: &[u8], out: &mut Vec<u8>) {
    option("-I ", chain, out);
    out.push(b' ');
    out.extend_from_slice(position.to_string().as_bytes());
    out.extend_from_slice(rule);
}

/// Deletes the first rule that is equal to one as [`rule`] writes it.
pub fn delete_line(chain: &ChainName, rule: &[u8], out: &mut Vec<u8>) {
    option("-D ", chain, out);
    out.extend_from_slice(rule);
}

/// What stands behind the name of the chain: matches and target, then the end of the line.
pub fn rule(rule: &Rule, out: &mut Vec<u8>) {
    rule.write(out);
    out.push(b'\n');
}

fn option(option: &str, chain: &ChainName, out: &mut Vec<u8>) {
    out.extend_from_slice(option.as_bytes());
    chain.write(out);
}

/// Deletes an empty chain to which nothing jumps.
pub fn delete_chain(chain: &ChainName, out: &mut Vec<u8>) {
    option("-X ", chain, out);
    out.push(b'\n');
}

/// Makes everything since [`begin`] visible at once.
pub fn commit(out: &mut Vec<u8>) {
    out.extend_from_slice(b"COMMIT\n");
}
