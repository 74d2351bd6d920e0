//! The form in which many rules are fed to iptables-restore.

use super::*;
use crate::chain::Role;
use crate::plan::{Applied, Fate, Found, StaleChains, Transaction};
use crate::proxier::{Left, Surroundings};
use crate::render::RenderedPort;
use crate::world::Dirty;

fn written(layout: Option<Layout>) -> Transaction {
    let mut stage = Stage::new(Family::V4);
    stage.apply(&Model::large().changes());
    let nothing = Left { fate: |_: &RenderedPort| Fate::Written, before: None, in_use: BTreeSet::new() };
    let surroundings = Surroundings { host: &host(), stale: StaleChains::Delete, layout };
    stage.proxier.plan(&Applied::Found(Found::default()), &Dirty::All, nothing, &surroundings)
}

/// The chains of service ports in the order in which they are declared, for each COMMIT of nat.
fn declared(transaction: &Transaction) -> Vec<Vec<ChainName>> {
    let text = String::from_utf8(transaction.input.clone()).unwrap();
    let chain = |line: &str| Some(ChainName::parse(line.strip_prefix(':')?.split(' ').next()?));
    let blocks = text.split("COMMIT\n").filter(|block| block.starts_with("*nat"));
    let own = |block: &str| block.lines().filter_map(chain).filter(ChainName::is_of_service_port).collect();
    blocks.map(own).collect()
}

#[test]
fn blocks_ascend_and_names_in_them_descend() {
    let blocks = declared(&written(Some(Layout::Blocks)));
    assert!(blocks.len() > 10 && blocks.iter().any(|block| block.len() > 1), "{blocks:?}");
    assert!(blocks.iter().all(|block| block.is_sorted_by(|one, next| one > next)), "{blocks:?}");
    let of_endpoints = |chain: &ChainName| chain.role() == Some(Role::Endpoint);
    let mut leaves: Vec<_> = blocks.iter().filter_map(|block| block.last()).collect();
    leaves.retain(|chain| of_endpoints(chain));
    assert!(leaves.is_sorted(), "{leaves:?}");
}

#[test]
fn in_a_single_transaction_names_ascend() {
    let single = declared(&written(Some(Layout::Single)));
    assert_eq!(single.len(), 1);
    assert!(single[0].is_sorted() && !single[0].is_empty(), "{single:?}");
}

/// However it is fed, it is as much.
#[test]
fn every_layout_holds_the_same_lines() {
    let lines = |layout| {
        let text = String::from_utf8(written(layout).input).unwrap();
        let mut lines: Vec<_> =
            text.lines().filter(|line| line.starts_with([':', '-'])).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let upstream = lines(None);
    assert!(!upstream.is_empty());
    assert_eq!(lines(Some(Layout::Single)), upstream);
    assert_eq!(lines(Some(Layout::Blocks)), upstream);
}
