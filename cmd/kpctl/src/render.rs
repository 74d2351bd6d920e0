//! `kpctl render`: the exact input of a full sync.

use std::io::{self, Write};

use anyhow::Result;
use proxier::family::Family;

use crate::Ending;
use crate::cluster::{Cluster, Place};

/// What is to be rendered.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) place: Place,
    /// One family instead of both.
    pub(crate) family: Option<Family>,
}

/// Prints the input of one family, or of both, each behind a comment line that names its tool.
/// Complaints about manifests and configuration go to stderr.
pub(crate) fn run(request: &Request) -> Result<Ending> {
    let cluster = Cluster::read(&request.place)?;
    let ending = Ending::with(&cluster.complaints);
    let mut out = io::stdout().lock();
    match request.family {
        Some(family) => out.write_all(&cluster.input(family)?)?,
        None => {
            for (family, tool) in [(Family::V4, "iptables-restore"), (Family::V6, "ip6tables-restore")] {
                writeln!(out, "# {family}: {tool} --noflush --counters")?;
                out.write_all(&cluster.input(family)?)?;
            }
        }
    }
    out.flush()?;
    Ok(ending)
}
