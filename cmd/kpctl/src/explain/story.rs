//! Turns a packet and what became of it into text for people.
//!
//! Knows nothing of where the rules come from.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;

use proxier::chain::{ChainName, Table};
use proxier::parse::{Save, SavedRule};
use proxier::rule::Target;
use proxier::text;
use proxier::trace::{self, End, Outcome, Packet, Step, Verdict};

/// Writing to memory cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => { writeln!($out, $($arg)*).expect("memory takes all") };
}

/// Where what others send and what the node sends meets rules of Services.
static JUMPS: [(Table, ChainName); 4] = [
    (Table::Nat, ChainName::PREROUTING),
    (Table::Nat, ChainName::OUTPUT),
    (Table::Filter, ChainName::FORWARD),
    (Table::Filter, ChainName::OUTPUT),
];

/// How the names of chains begin that packets are walked through.
const WALKED: [&str; 9] = [
    "KUBE-SERVICES",
    "KUBE-EXTERNAL-SERVICES",
    "KUBE-NODEPORTS",
    "KUBE-PROXY-FIREWALL",
    "KUBE-SVC-",
    "KUBE-SVL-",
    "KUBE-EXT-",
    "KUBE-FW-",
    "KUBE-SEP-",
];

/// What is asked.
pub(super) fn head(packet: &Packet) -> String {
    let Packet { source, protocol, destination } = packet;
    let protocol = protocol.name().to_uppercase();
    format!("The first packet of a connection, {protocol} from {source} to {destination}\n")
}

/// What of a save limits what can be said.
pub(super) fn remarks(save: &Save) -> String {
    let mut remarks = String::new();
    for (table, lost) in [(Table::Nat, "where it is sent"), (Table::Filter, "whether it is refused")] {
        if !save.tables.contains_key(&table) {
            put!(remarks, "The save has no table {table} with rules of kube-proxy, which would tell {lost}.");
        }
    }
    for (table, chain) in &JUMPS {
        if save.tables.contains_key(table) && !leads_to_services(save, *table, chain) {
            put!(
                remarks,
                "{chain} of {table} does not lead to KUBE-SERVICES: what passes there meets no rule of it."
            );
        }
    }
    let foreign = foreign(save);
    if foreign > 0 {
        put!(
            remarks,
            "Rules in chains of kube-proxy that are of no kind that it writes, and are passed over: {foreign}."
        );
    }
    if remarks.is_empty() { remarks } else { format!("\n{remarks}") }
}

fn leads_to_services(save: &Save, table: Table, chain: &ChainName) -> bool {
    let rules = save.chain(table, chain).map(|chain| chain.rules.as_slice()).unwrap_or_default();
    let mut targets = rules.iter().filter_map(SavedRule::known).filter_map(|rule| rule.target.as_ref());
    targets.any(|target| *target == Target::Jump(ChainName::KUBE_SERVICES))
}

fn foreign(save: &Save) -> usize {
    let is_walked = |name: &ChainName| WALKED.iter().any(|start| name.to_string().starts_with(start));
    let chains = save.tables.values().flatten().filter(|(name, _)| is_walked(name));
    chains.flat_map(|(_, chain)| &chain.rules).filter(|rule| rule.known().is_none()).count()
}

/// The rules that act, and the end.
pub(super) fn story(packet: &Packet, verdict: &Verdict<'_>) -> String {
    let mut story = String::new();
    let mut table = None;
    for step in &verdict.path {
        if table.replace(step.table) != Some(step.table) {
            put!(story, "\n{}", step.table);
        }
        put_step(step, &mut story);
    }
    story.push('\n');
    put_ends(packet, verdict, &mut story);
    put_source(packet, verdict, &mut story);
    if let Some(seconds) = verdict.affinity {
        put!(
            story,
            "A client that was here within {seconds} s goes to the same endpoint as then; this is what others meet."
        );
    }
    story
}

fn put_step(step: &Step<'_>, story: &mut String) {
    let indent = "  ".repeat(step.depth + 1);
    let mut line = Vec::new();
    text::append(step.chain, step.rule, &mut line);
    put!(story, "{indent}{}", String::from_utf8_lossy(&line).trim_end());
    let reasons = trace::reasons(step.rule);
    let reasons = if reasons.is_empty() { "it takes all".to_owned() } else { reasons.join(", ") };
    let effect = if step.rule.target == Some(Target::Jump(ChainName::KUBE_MARK_MASQ)) {
        ", so its source will be replaced"
    } else {
        ""
    };
    put!(story, "{indent}    because {reasons}{effect}");
}

fn put_ends(packet: &Packet, verdict: &Verdict<'_>, story: &mut String) {
    let endpoints = endpoints(verdict);
    match endpoints.len() {
        0 => {}
        1 => endpoints.keys().for_each(|endpoint| put!(story, "It goes to {endpoint}.")),
        _ => {
            put!(story, "It goes to one of these:");
            for (endpoint, share) in &endpoints {
                put!(story, "  {:5.1} %  {endpoint}", share * 100.0);
            }
        }
    }
    for End { outcome, .. } in &verdict.ends {
        match outcome {
            Outcome::Dnat(_) => {}
            Outcome::Accept => put!(story, "It is let in."),
            Outcome::Reject => put!(story, "It is refused, and its sender is told."),
            Outcome::Drop => put!(story, "It is dropped, and nobody is told."),
        }
    }
    if verdict.ends.is_empty() {
        put!(
            story,
            "No rule of kube-proxy sends it elsewhere or refuses it: it goes on to {}.",
            packet.destination
        );
    }
}

/// Each endpoint once; several ways can lead to one.
fn endpoints(verdict: &Verdict<'_>) -> BTreeMap<SocketAddr, f64> {
    let mut endpoints = BTreeMap::new();
    for End { outcome, share, .. } in &verdict.ends {
        if let Outcome::Dnat(endpoint) = outcome {
            *endpoints.entry(*endpoint).or_default() += share;
        }
    }
    endpoints
}

/// What the endpoint sees as the client.
fn put_source(packet: &Packet, verdict: &Verdict<'_>, story: &mut String) {
    let translated = verdict.ends.iter().filter(|end| matches!(end.outcome, Outcome::Dnat(_)));
    let (replaced, kept): (Vec<&End>, Vec<&End>) = translated.partition(|end| end.masqueraded);
    let node = "is replaced by an address of the node";
    match (replaced.as_slice(), kept.as_slice()) {
        ([], []) => {}
        ([], _) => put!(story, "Its source stays {}.", packet.source),
        (_, []) => put!(story, "Its source {node}."),
        (replaced, _) => {
            let replaced: Vec<String> = replaced.iter().map(|end| end.outcome.to_string()).collect();
            let replaced = replaced.join(", ");
            put!(story, "Its source {node} if it goes to {replaced}; otherwise it stays {}.", packet.source);
        }
    }
}
