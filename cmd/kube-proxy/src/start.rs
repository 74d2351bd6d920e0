//! From configuration and node to one worker per family: everything that is decided once, at the start.
//!
//! Knows nothing of flags and of the loop.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use config::Checked;
use conntrack::worker::Worker;
use informer::change::Batch;
use proxier::drift::watch::Watch;
use proxier::family::Family;
use proxier::iptables::Iptables;
use proxier::node::NodeIdentity;
use proxier::option::{Options, Tools};
use proxier::proxier::Proxier;
use proxier::world::World;
use tracing::{debug, error, info, warn};

use crate::family::FamilySync;
use crate::log::Json;
use crate::outside::Outside;
use crate::tools::{self, Prepared};
use crate::warning::{self, Stack};
use crate::{flows, sysctl};

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
    Prepared { tools, ear }: Prepared,
    node: &NodeIdentity,
    flows: Option<&Arc<Worker>>,
    outside: &Outside,
) -> Result<(Vec<FamilySync<Iptables>>, Option<Watch>)> {
    sysctl::set_conntrack(&config.config)?;
    warning::settle(warning::of_node_ports(config, node).as_slice())?;
    let primary = node.ips.primary;
    let tools = tools::usable(tools, primary)?;
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
