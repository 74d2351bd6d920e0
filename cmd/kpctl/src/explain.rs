//! `kpctl explain`: what becomes of a packet, rule by rule.
//!
//! Rules come from a directory of manifests, as a full sync would write them, or from what iptables-save printed.

mod story;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use proxier::family::Family;
use proxier::host;
use proxier::parse::{self, Save, SavedRule};
use proxier::rule::Match;
use proxier::trace::{Packet, Tracer};

use crate::Ending;
use crate::cluster::{Cluster, Place};

/// What is to be explained.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) rules: Rules,
    /// What else is an address of the node; if there is any, those of this host do not count.
    pub(crate) node_addresses: Vec<IpAddr>,
    pub(crate) packet: Packet,
}

/// Where the rules come from.
#[derive(Clone, Debug)]
pub(crate) enum Rules {
    Wanted(Place),
    /// Of iptables-save or ip6tables-save; `-` is standard input.
    Saved(PathBuf),
}

/// Prints each rule that acts on the packet, why it does, and what becomes of the packet.
pub(crate) fn run(request: &Request) -> Result<Ending> {
    let packet = &request.packet;
    let family = family(packet.destination.ip());
    ensure!(
        family == self::family(packet.source),
        "{} and {} are of different families",
        packet.source,
        packet.destination.ip()
    );
    let (save, of_node, ending) = read(&request.rules, family)?;
    let addresses = addresses(request, of_node)?;
    let verdict = Tracer::of_save(&save, &addresses).trace(packet);
    let mut out = io::stdout().lock();
    out.write_all(story::head(packet).as_bytes())?;
    if let Rules::Saved(_) = request.rules {
        out.write_all(story::remarks(&save).as_bytes())?;
    }
    out.write_all(story::story(packet, &verdict).as_bytes())?;
    out.flush()?;
    Ok(ending)
}

/// The rules, and the addresses that manifests give the node.
fn read(rules: &Rules, family: Family) -> Result<(Save, Vec<IpAddr>, Ending)> {
    match rules {
        Rules::Wanted(place) => {
            let cluster = Cluster::read(place)?;
            let ending = Ending::with(&cluster.complaints);
            let input = String::from_utf8(cluster.input(family)?).context("the rules are not text")?;
            let save = parse::save(&input).context("can't read the rules again")?;
            Ok((save, cluster.node_addresses(), ending))
        }
        Rules::Saved(path) => {
            let text = saved(path).with_context(|| format!("can't read {}", path.display()))?;
            let save = parse::save(&text)
                .with_context(|| format!("{} is not what iptables-save prints", path.display()))?;
            ensure!(!save.tables.is_empty(), "{} has no table with rules of kube-proxy", path.display());
            let found = family_of(&save).unwrap_or(family);
            ensure!(found == family, "{} has rules of {found}, the packet is of {family}", path.display());
            Ok((save, Vec::new(), Ending::Clean))
        }
    }
}

/// Nothing in a save says it, but the addresses in it.
fn family_of(save: &Save) -> Option<Family> {
    let rules = save.tables.values().flat_map(BTreeMap::values).flat_map(|chain| &chain.rules);
    let mut conditions = rules.filter_map(SavedRule::known).flat_map(|rule| &rule.matches);
    conditions.find_map(|condition| {
        if let Match::Source(address) | Match::Destination(address) = condition {
            Some(family(address.net.addr()))
        } else {
            None
        }
    })
}

fn saved(path: &Path) -> io::Result<String> {
    if path != Path::new("-") {
        return fs::read_to_string(path);
    }
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text)?;
    Ok(text)
}

/// The addresses of the node: those that are named, or else those of this host and of the Node object.
fn addresses(request: &Request, of_node: Vec<IpAddr>) -> Result<Vec<IpAddr>> {
    if !request.node_addresses.is_empty() {
        return Ok(request.node_addresses.clone());
    }
    let mut addresses = host::addresses().context("can't list this host's addresses")?;
    addresses.extend(of_node);
    Ok(addresses)
}

fn family(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}
