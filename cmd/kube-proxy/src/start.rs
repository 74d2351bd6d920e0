//! From configuration and node to one worker per family: everything that is decided once, at the start.
//!
//! Knows nothing of flags and of the loop.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use config::Checked;
use conntrack::worker::Worker;
use informer::change::Batch;
use proxier::backend::Suite;
use proxier::drift::watch::Watch;
use proxier::family::Family;
use proxier::iptables::Iptables;
use proxier::node::NodeIdentity;
use proxier::option::{Options, Tools};
use proxier::plan::Layout;
use proxier::proxier::Proxier;
use proxier::retry::{self, up_to_three_times};
use proxier::tables::{Tables as _, TablesError};
use proxier::world::World;
use tracing::{debug, error, info, warn};

use crate::family::FamilySync;
use crate::log::Json;
use crate::outside::Outside;
use crate::warning::{self, Stack};
use crate::{flows, sysctl};

/// What a tool says where the kernel has no such table, or not this family at all.
const UNSUPPORTED: [&str; 4] = [
    "Table does not exist",
    "No such file or directory",
    "Protocol not supported",
    "Address family not supported",
];

/// The iptables tools of both families, and an ear for what others do to their rules.
pub(crate) struct Prepared {
    suite: Suite,
    tools: Vec<(Family, Iptables)>,
    /// Open also where nothing is told of the rules yet: the tools may be exchanged.
    ear: io::Result<Watch>,
}

/// Finds the tools. Where foreign changes are noticed from here on, the rules are read while the objects of the cluster
/// are fetched.
pub(crate) fn prepare(suite: Suite) -> Prepared {
    let mut tools: Vec<_> = Family::ALL.map(|family| (family, Iptables::new(suite, family))).into();
    let is_told = |tables: &Iptables| tables.layout() == Layout::Blocks;
    let ear = Watch::open();
    if ear.is_ok() {
        tools.iter_mut().filter(|(_, tables)| is_told(tables)).for_each(|(_, tables)| tables.look_ahead());
    }
    Prepared { suite, tools, ear }
}

/// This node, from its Node object if the initial state holds one, else from `stand_ins`, addresses of the host.
pub(crate) fn identify(name: &str, config: &Checked, initial: &Batch, stand_ins: &[IpAddr]) -> NodeIdentity {
    let identity = NodeIdentity::new(name, initial.node(name), stand_ins, config.bind_address);
    let ips = &identity.ips;
    if ips.of(ips.primary).is_loopback() {
        error!(node = name, "Can't determine this node's IP, assuming loopback");
    }
    let all = Family::ALL.map(|family| ips.of(family));
    info!(node = name, primaryIPFamily = %ips.primary, NodeIPs = %Json(&all), "Retrieved node IPs");
    identity
}

/// Applies kernel settings, and makes a worker for each family that this host has. The ear is for whoever runs them;
/// there is none where the kernel does not tell of foreign changes.
///
/// # Errors
/// The host lacks the node's primary family, a kernel setting cannot be applied, or the
/// configuration does not fit the node.
pub(crate) fn families(
    config: &Checked,
    Prepared { suite, tools, ear }: Prepared,
    node: &NodeIdentity,
    flows: Option<&Arc<Worker>>,
    outside: &Outside,
) -> Result<(Vec<FamilySync<Iptables>>, Option<Watch>)> {
    sysctl::set_conntrack(&config.config)?;
    warning::settle(warning::of_node_ports(config, node).as_slice())?;
    let primary = node.ips.primary;
    let tools = usable(suite, tools, primary)?;
    let stack = if tools.len() == 1 { Stack::Single } else { Stack::Dual };
    match stack {
        Stack::Single => info!(ipFamily = %primary, "kube-proxy running in single-stack mode"),
        Stack::Dual => info!(primaryIPFamily = %primary, "kube-proxy running in dual-stack mode"),
    }
    warning::settle(&warning::of_families(config, node, stack))?;
    let worker = |(family, tables)| worker(family, tables, config, node, flows.cloned(), outside);
    let mut families = tools.into_iter().map(worker).collect::<Result<Vec<_>>>()?;
    let ear = listen(&mut families, ear);
    Ok((families, ear))
}

/// Tells the families that they are told of foreign changes, once they have tools that work on what is told of.
fn listen(families: &mut [FamilySync<Iptables>], ear: io::Result<Watch>) -> Option<Watch> {
    match ear {
        Ok(watch) => {
            families.iter_mut().for_each(FamilySync::listen);
            Some(watch)
        }
        // Without nf_tables in the kernel there is nothing to be told of.
        Err(error) if families.iter().all(|family| !family.can_be_told()) => {
            debug!(err = %error, "The kernel does not tell of changes to nf_tables");
            None
        }
        Err(error) => {
            warn!(err = %error, "The kernel does not tell of foreign changes to the rules; looking for them instead");
            None
        }
    }
}

/// The families that have both tools and kernel support.
fn usable(suite: Suite, tools: Vec<(Family, Iptables)>, primary: Family) -> Result<Vec<(Family, Iptables)>> {
    let mut usable = Vec::new();
    for (family, mut tables) in tools {
        match support(family, retry::PAUSE, || ask(&mut tables, suite, family)) {
            Ok(()) if family == Family::V4 || is_ipv6_enabled() => usable.push((family, tables)),
            Ok(()) => info!(ipFamily = %family, "IPv6 is disabled on this host"),
            Err(error) if family == Family::V4 || is_ipv6_enabled() => {
                warn!(ipFamily = %family, err = %error, "No iptables support for family");
            }
            Err(error) => info!(ipFamily = %family, err = %error, "No iptables support for family"),
        }
    }
    if usable.is_empty() {
        bail!("iptables is not available on this host");
    }
    if usable.iter().all(|(family, _)| *family != primary) {
        bail!("no support for primary IP family {:?}", primary.to_string());
    }
    Ok(usable)
}

/// Asks a tool whether it works, and for its version.
fn ask(tables: &mut Iptables, suite: Suite, family: Family) -> Told {
    if tables.version().is_none() {
        *tables = Iptables::new(suite, family);
    }
    Told { is_usable: tables.is_usable(), has_version: tables.version().is_some() }
}

/// What a tool told when it was asked.
struct Told {
    is_usable: Result<(), TablesError>,
    has_version: bool,
}

/// Whether a family has tools and kernel support. A lock that is held, or a tool that fails in an odd way, tells neither
/// that it has nor that it has not: it is asked again; a tool waits for the lock itself, 5 s each time. A family whose
/// lock is held after a few questions counts as supported, and syncs go on to try. Rules depend on the version, so a tool
/// that does not tell it for another reason than being old must not be started with.
fn support(family: Family, pause: Duration, ask: impl FnMut() -> Told) -> Result<(), TablesError> {
    match up_to_three_times(pause, ask, |told| is_final(family, told)) {
        Told { is_usable: Err(TablesError::Busy { .. }), has_version: true } => Ok(()),
        Told { is_usable, .. } => is_usable,
    }
}

/// Whether there is no point in asking again; says why if there is.
fn is_final(family: Family, told: &Told) -> bool {
    match told {
        Told { is_usable: Ok(()), has_version: true } => true,
        Told { is_usable: Ok(()), has_version: false } => {
            warn!(ipFamily = %family, "iptables does not tell its version");
            false
        }
        Told { is_usable: Err(error), .. } if is_clear_no(error) => true,
        Told { is_usable: Err(error), .. } => {
            warn!(ipFamily = %family, err = %error, "Can't tell yet whether iptables works for this family");
            false
        }
    }
}

/// Whether the family has no support, whoever is asked.
fn is_clear_no(error: &TablesError) -> bool {
    match error {
        TablesError::Missing { source, .. } => source.kind() == io::ErrorKind::NotFound,
        TablesError::Refused { text, .. } => UNSUPPORTED.iter().any(|words| text.contains(words)),
        TablesError::Busy { .. }
        | TablesError::Interrupted { .. }
        | TablesError::Astray { .. }
        | TablesError::Unreadable { .. } => false,
    }
}

fn is_ipv6_enabled() -> bool {
    let disabled = fs::read_to_string("/proc/sys/net/ipv6/conf/all/disable_ipv6");
    fs::exists("/proc/net/if_inet6").unwrap_or(false) && disabled.map_or(true, |value| value.trim() != "1")
}

fn worker(
    family: Family,
    tables: Iptables,
    config: &Checked,
    node: &NodeIdentity,
    flows: Option<Arc<Worker>>,
    outside: &Outside,
) -> Result<FamilySync<Iptables>> {
    let version = tables.version().map_or("unknown".to_owned(), ToString::to_string);
    info!(ipFamily = %family, version, backend = tables.backend(), "Using iptables");
    let tools =
        Tools { random_fully: tables.features().random_fully, is_tcp_liberal: sysctl::is_tcp_liberal() };
    let options = Options::new(family, config, node, tools)?;
    if options.localhost_node_ports {
        info!(ipFamily = %family, "Node ports answer on localhost: route_localnet is set");
        let of_family = format!("unable to create {} proxier", family.to_string().to_lowercase());
        sysctl::route_localnet().context(of_family).context("unable to create proxier")?;
    }
    let outlook = outside.of_family(family, &options.node_port_addresses);
    outlook.metrics.uses_backend(tables.backend());
    if flows.is_some() {
        outside.metrics.conntrack.looks_after(flows::family(family));
    }
    let (min_sync_period, sync_period) =
        (config.config.min_sync_period.to_std(), config.config.sync_period.to_std());
    let proxier = Proxier::new(World::new(family, &node.name), options, sync_period);
    Ok(FamilySync::new(proxier, tables, min_sync_period, sync_period, flows, outlook))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(make: fn(String, String) -> TablesError) -> TablesError {
        make("ip6tables".to_owned(), "no answer".to_owned())
    }

    #[track_caller]
    fn check(answers: Vec<(Result<(), TablesError>, bool)>, expected: bool) {
        let told = format!("{answers:?}");
        let mut answers = answers.into_iter().map(|(is_usable, has_version)| Told { is_usable, has_version });
        let answer = || answers.next().expect("nobody asks so often");
        let supported = support(Family::V6, Duration::ZERO, answer).is_ok();
        assert_eq!((supported, answers.len()), (expected, 0), "{told}");
    }

    fn busy() -> TablesError {
        error(|command, text| TablesError::Busy { command, text })
    }

    fn killed() -> TablesError {
        error(|command, text| TablesError::Interrupted { command, text })
    }

    fn refused(text: &str) -> TablesError {
        let (command, text) = ("ip6tables".to_owned(), text.to_owned());
        TablesError::Refused { command, text, line: None, context: String::new() }
    }

    fn no_table() -> TablesError {
        refused("can't initialize ip6tables table `nat': Table does not exist (do you need to insmod?)")
    }

    /// What a tool says that cannot open what it needs.
    fn odd() -> TablesError {
        refused("Could not fetch rule set generation id: Too many open files")
    }

    fn missing(kind: io::ErrorKind) -> TablesError {
        TablesError::Missing { command: "ip6tables".to_owned(), source: kind.into() }
    }

    #[test]
    fn only_a_clear_no_makes_a_family_unsupported() {
        check(vec![(Ok(()), true)], true);
        check(vec![(Err(busy()), true), (Ok(()), true)], true);
        check(vec![(Err(busy()), true), (Err(killed()), true), (Err(busy()), true)], true);
        check(vec![(Err(no_table()), true)], false);
        check(vec![(Err(killed()), true), (Err(no_table()), true)], false);
        check(vec![(Err(missing(io::ErrorKind::NotFound)), false)], false);
        check(vec![(Err(odd()), true), (Ok(()), true)], true);
        check(vec![(Err(missing(io::ErrorKind::ResourceBusy)), true), (Ok(()), true)], true);
        check(vec![(Err(odd()), true), (Err(odd()), true), (Err(odd()), true)], false);
    }

    #[test]
    fn nothing_is_started_with_tools_that_fail_to_tell_their_version() {
        check(vec![(Err(busy()), false), (Ok(()), true)], true);
        check(vec![(Err(busy()), false), (Err(busy()), false), (Err(busy()), false)], false);
        check(vec![(Err(busy()), true), (Err(busy()), true), (Err(killed()), true)], false);
        // One that works need not tell any.
        check(vec![(Ok(()), false), (Ok(()), false), (Ok(()), false)], true);
    }
}
