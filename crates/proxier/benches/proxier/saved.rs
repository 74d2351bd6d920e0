//! Turns the rules of a cluster into the text in which iptables-save 1.8.9 prints them.
//!
//! Knows only the matches and targets that this cluster has, and not what reads the text.

use std::fmt::Write;

use proxier::chain::Table;
use proxier::jump::jumps;
use proxier::rule::{Address, Match, Rule, Target};
use proxier::ruleset::Ruleset;

/// The tables, chains in the order of their names, with the jumps from built-in chains.
pub(crate) fn text(ruleset: &Ruleset) -> String {
    let jumps = jumps();
    let mut chains = ruleset.by_chain();
    jumps.iter().for_each(|jump| chains.entry((jump.table, &jump.from)).or_default().push(&jump.rule));
    let mut out = String::new();
    for table in [Table::Filter, Table::Nat] {
        let of_table = || chains.iter().filter(|((of, _), _)| *of == table);
        put(&mut out, format_args!("*{table}\n"));
        for ((_, chain), _) in of_table() {
            let policy = if chain.is_ours() { "-" } else { "ACCEPT" };
            put(&mut out, format_args!(":{chain} {policy} [0:0]\n"));
        }
        for ((_, chain), rules) in of_table() {
            for rule in rules {
                put(&mut out, format_args!("-A {chain}"));
                self::rule(rule, &mut out);
                out.push('\n');
            }
        }
        out.push_str("COMMIT\n");
    }
    out
}

/// What is in the header of a packet comes first, whatever the order in which it was written.
fn rule(rule: &Rule, out: &mut String) {
    for condition in rule.clone().normal().matches {
        if let Match::Source(address) = condition {
            self::address("-s", address, out);
        } else if let Match::Destination(address) = condition {
            self::address("-d", address, out);
        } else if let Match::Protocol(protocol) = condition {
            put(out, format_args!(" -p {}", protocol.name()));
        }
    }
    rule.matches.iter().for_each(|condition| self::condition(condition, out));
    if let Some(target) = &rule.target {
        self::target(target, out);
    }
}

fn address(option: &str, address: Address, out: &mut String) {
    let not = if address.inverted { " !" } else { "" };
    put(out, format_args!("{not} {option} {}", address.net));
}

fn condition(condition: &Match, out: &mut String) {
    match condition {
        Match::Comment(text) => put(out, format_args!(" -m comment --comment \"{text}\"")),
        Match::Protocol(protocol) => put(out, format_args!(" -m {}", protocol.name())),
        Match::DestinationPort(port) => put(out, format_args!(" --dport {port}")),
        Match::DestinationLocal => out.push_str(" -m addrtype --dst-type LOCAL"),
        Match::Mark { value, mask, inverted } => {
            let not = if *inverted { " !" } else { "" };
            put(out, format_args!(" -m mark{not} --mark {value:#x}/{mask:#x}"));
        }
        Match::ConntrackState { states, inverted } => {
            let not = if *inverted { " !" } else { "" };
            put(out, format_args!(" -m conntrack{not} --ctstate {states}"));
        }
        Match::OneIn(choices) => {
            // The kernel keeps 31 bits of it.
            const WHOLE: f64 = (1_u32 << 31) as f64;
            let probability = (WHOLE / f64::from(*choices)).round() / WHOLE;
            put(out, format_args!(" -m statistic --mode random --probability {probability:.11}"));
        }
        Match::Source(_) | Match::Destination(_) => {}
        Match::InInterface { .. }
        | Match::SourceLocal
        | Match::Nfacct(_)
        | Match::RecentCheck { .. }
        | Match::RecentSet { .. } => panic!("this cluster has no {condition:?}"),
    }
}

fn target(target: &Target, out: &mut String) {
    match target {
        Target::Jump(chain) => put(out, format_args!(" -j {chain}")),
        Target::Accept => out.push_str(" -j ACCEPT"),
        Target::Drop => out.push_str(" -j DROP"),
        Target::Return => out.push_str(" -j RETURN"),
        Target::Dnat(to) => put(out, format_args!(" -j DNAT --to-destination {to}")),
        Target::Masquerade { random_fully: true } => out.push_str(" -j MASQUERADE --random-fully"),
        Target::MarkXor(bits) => put(out, format_args!(" -j MARK --set-xmark {bits:#x}/0x0")),
        Target::MarkOr(bits) => put(out, format_args!(" -j MARK --set-xmark {bits:#x}/{bits:#x}")),
        Target::Reject | Target::Masquerade { random_fully: false } => {
            panic!("this cluster has no {target:?}")
        }
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("memory takes all");
}
