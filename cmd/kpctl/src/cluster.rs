//! Turns a directory of manifests, a configuration and a node's name into the input of a full sync.
//!
//! Does not know what is done with it.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use config::{Checked, Config};
use informer::change::Batch;
use informer::directory;
use proxier::backend::Suite;
use proxier::family::Family;
use proxier::host;
use proxier::iptables::Iptables;
use proxier::node::NodeIdentity;
use proxier::option::{Host, Options, Tools};
use proxier::proxier::Proxier;
use proxier::world::World;

/// Where everything stands that the rules of a node follow from.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The directory of manifests.
    pub(crate) manifests: PathBuf,
    /// The configuration file.
    pub(crate) config: Option<PathBuf>,
    /// The node's name.
    pub(crate) node: Option<String>,
}

/// Everything that the rules of a node follow from.
pub(crate) struct Cluster {
    config: Checked,
    node: NodeIdentity,
    batch: Batch,
    /// What of it cannot be used.
    pub(crate) complaints: Vec<String>,
}

impl Cluster {
    /// Reads manifests and configuration. What is not said there, this host says: its name and its addresses.
    ///
    /// # Errors
    /// If the directory or the configuration cannot be used at all.
    pub(crate) fn read(place: &Place) -> Result<Self> {
        let (config, mut complaints) = configuration(place)?;
        let path = &place.manifests;
        let batch = directory::load(path).with_context(|| format!("can't read {}", path.display()))?;
        complaints.extend(batch.complaints.iter().map(ToString::to_string));
        let name = place.node.clone().unwrap_or_else(host::name).trim().to_lowercase();
        let addresses = host::addresses().context("can't list this host's addresses")?;
        let node = NodeIdentity::new(&name, batch.node(&name), &addresses, config.bind_address);
        Ok(Self { config, node, batch, complaints })
    }

    /// What the Node object says of its addresses; nothing if there is none.
    pub(crate) fn node_addresses(&self) -> Vec<IpAddr> {
        self.batch.node(&self.node.name).map(|node| node.addresses.clone()).unwrap_or_default()
    }

    /// As the daemon would write it on this host, if conntrack is strict and the kernel counts packets.
    ///
    /// # Errors
    /// If the configuration does not suit the node.
    pub(crate) fn input(&self, family: Family) -> Result<Vec<u8>> {
        // Without the tool its present versions are assumed.
        let tool = Iptables::new(Suite::Plain, family);
        let random_fully = tool.version().is_none() || tool.features().random_fully;
        let tools = Tools { random_fully, is_tcp_liberal: false };
        let options = Options::new(family, &self.config, &self.node, tools)?;
        let addresses = host::addresses().context("can't list this host's addresses")?;
        let host = Host { addresses, counts_invalid: true, counts_localhost: true };

        let sync_period = self.config.config.sync_period.to_std();
        let mut proxier = Proxier::new(World::new(family, &self.node.name), options, sync_period);
        for change in &self.batch.changes {
            proxier.apply(change);
        }
        Ok(proxier.full_input(&host))
    }
}

/// The configuration, and what of the file was dropped.
fn configuration(place: &Place) -> Result<(Checked, Vec<String>)> {
    let (config, problems) = match &place.config {
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
            let decoded = config::decode(&text).with_context(|| format!("can't use {}", path.display()))?;
            let of_file = |problem: &String| format!("{}: {problem}", path.display());
            (decoded.config, decoded.strict.iter().map(of_file).collect())
        }
        None => (Config::default(), Vec::new()),
    };
    Ok((config.check().map_err(|problems| anyhow!("{problems}"))?, problems))
}
