//! Single rules of a shared chain that come and go, where most of the chain stays.

use crate::chain::ChainName;
use crate::text;

use super::{Scene, SharedChain, lines};

/// The two halves of a change. Done in this order, the chain has the wanted rules in the wanted
/// order; in between it has those of both.
#[derive(Default)]
pub(super) struct Edits {
    pub(super) inserts: Vec<u8>,
    pub(super) deletes: Vec<u8>,
}

/// The new rules of a service port are put behind its old ones, so that of two equal rules the
/// first, which is the one that is deleted, is the old one.
pub(super) fn edits(scene: &Scene, chain: &SharedChain) -> Edits {
    let name: &ChainName = &chain.1;
    let mut edits = Edits::default();
    let mut position = scene.fixed.get(chain).map_or(0, |fixed| lines(&fixed.head).count());
    for port in scene.all_ports() {
        let (old, new) = (port.old_lines(chain), port.lines(chain));
        position += lines(old).count();
        if old == new {
            continue;
        }
        for rule in lines(new) {
            position += 1;
            text::insert_line(name, position, rule, &mut edits.inserts);
        }
        lines(old).for_each(|rule| text::delete_line(name, rule, &mut edits.deletes));
    }
    edits
}
