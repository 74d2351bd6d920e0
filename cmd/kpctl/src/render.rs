//! `kpctl render`: the exact input of a full sync.

use std::fs;
use std::io::{self, Write};
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

/// What is to be rendered.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The directory of manifests.
    pub(crate) manifests: PathBuf,
    /// The configuration file.
    pub(crate) config: Option<PathBuf>,
    /// The node's name.
    pub(crate) node: Option<String>,
    /// One family instead of both.
    pub(crate) family: Option<Family>,
}

/// Prints the input of one family, or of both, each behind a comment line that names its tool.
/// Complaints about manifests go to stderr.
pub(crate) fn run(request: &Request) -> Result<()> {
    let config = configuration(request)?;
    let path = &request.manifests;
    let batch = directory::load(path).with_context(|| format!("can't read {}", path.display()))?;
    batch.complaints.iter().for_each(|complaint| eprintln!("kpctl: {complaint}"));

    let node = identify(request, &config, &batch)?;
    let mut out = io::stdout().lock();
    match request.family {
        Some(family) => out.write_all(&input(family, &config, &node, &batch)?)?,
        None => {
            for (family, tool) in [(Family::V4, "iptables-restore"), (Family::V6, "ip6tables-restore")] {
                writeln!(out, "# {family}: {tool} --noflush --counters")?;
                out.write_all(&input(family, &config, &node, &batch)?)?;
            }
        }
    }
    Ok(())
}

fn configuration(request: &Request) -> Result<Checked> {
    let config = match &request.config {
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
            let decoded = config::decode(&text).with_context(|| format!("can't use {}", path.display()))?;
            decoded.strict.iter().for_each(|problem| eprintln!("kpctl: {}: {problem}", path.display()));
            decoded.config
        }
        None => Config::default(),
    };
    config.check().map_err(|problems| anyhow!("{problems}"))
}

fn identify(request: &Request, config: &Checked, batch: &Batch) -> Result<NodeIdentity> {
    let name = request.node.clone().unwrap_or_else(host::name).trim().to_lowercase();
    let addresses = host::addresses().context("can't list this host's addresses")?;
    Ok(NodeIdentity::new(&name, batch.node(&name), &addresses, config.bind_address))
}

/// As the daemon would write it on this host, if conntrack is strict and the kernel counts packets.
fn input(family: Family, config: &Checked, node: &NodeIdentity, batch: &Batch) -> Result<Vec<u8>> {
    // Without the tool its present versions are assumed.
    let tool = Iptables::new(Suite::Plain, family);
    let random_fully = tool.version().is_none() || tool.features().random_fully;
    let options = Options::new(family, config, node, Tools { random_fully, is_tcp_liberal: false })?;
    let addresses = host::addresses().context("can't list this host's addresses")?;
    let host = Host { addresses, counts_invalid: true, counts_localhost: true };

    let mut proxier =
        Proxier::new(World::new(family, &node.name), options, config.config.sync_period.to_std());
    for change in &batch.changes {
        proxier.apply(change);
    }
    Ok(proxier.full_input(&host))
}
