//! Turns a hash table that is resized during a look into a look that is repeated.
//!
//! Does not resize it: its size is the whole machine's. The daemon is shown other numbers instead;
//! `conntrack_costs` resizes it for real.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::Family;
use e2e::cluster::CONFIG;
use e2e::command::{command, run};
use e2e::flow::crowd::client;
use e2e::flow::daemon::Setup;
use e2e::flow::service::Target::ClusterIp;
use e2e::flow::service::{PORTS, Service, pod_address, pods, ready};
use e2e::flow::sink::Manner;
use e2e::flow::stage::Stage;
use e2e::flow::table::{self, New};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::os::unix::fs::OpenOptionsExt;
use tempfile::TempDir;

use crate::Outcome;
use crate::check;

const ENTRIES: u32 = 2000;
const LIMIT: Duration = Duration::from_millis(2500);
const BUCKETS: u32 = 262_144;
const DOUBT: &str = "the conntrack table changed under each dump";

/// The table is resized during each dump of a look; soon after, all stale entries are gone nevertheless.
pub(crate) fn during_the_look(family: Family) -> Outcome {
    let folder = TempDir::with_prefix("kp-buckets-").context("make a folder")?;
    let pipe = folder.path().join("buckets");
    run(command("mkfifo").arg(&pipe)).context("make a pipe")?;
    let (sizes, ended) = (Sizes::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| sizes.tell(&pipe, &ended));
        let outcome = resized(family, &pipe, &sizes);
        ended.store(true, Ordering::Relaxed);
        outcome
    })
}

fn resized(family: Family, pipe: &Path, sizes: &Sizes) -> Outcome {
    let show = format!(
        "mount --bind {} /proc/sys/net/netfilter/nf_conntrack_buckets && exec \"$@\"",
        pipe.display()
    );
    let through = ["sh", "-c", &show, "sh"].map(OsString::from).to_vec();
    let stage = Stage::start_with(Setup { config: CONFIG.to_owned(), through, ..Setup::default() })?;
    let service = Service::new(&pods(&[0]));
    let senders = check::at_first_pod(&stage, family, &service, (&stage.client, ClusterIp))?;
    let front_end = service.address(family, ClusterIp, Manner::Silent);
    let backend: SocketAddr = (pod_address(family, 0), PORTS[0]).into();
    table::make(&stage.node, (0..ENTRIES).map(|n| New::udp(client(n), front_end, 1).to(backend)))?;

    let before = stage.daemon.passes(family)?;
    sizes.growing.store(true, Ordering::Relaxed);
    let commit = stage.put(family, &service.with_endpoints(family, &[ready(1)]))?;
    stage.daemon.says(DOUBT, 0)?;
    sizes.growing.store(false, Ordering::Relaxed);
    let took = check::arrives_within(&stage, &senders, 1, commit, LIMIT)?;
    stage.daemon.says(&format!("{family} change: "), before + 1).context("the look was not repeated")?;
    check::leaves(&stage, front_end, backend)?;
    let doubts = stage.daemon.count(DOUBT)?;
    ensure!(doubts == 1, "{doubts} complaints; the log:\n{}", stage.daemon.tail());
    Ok(Some(took))
}

/// What the daemon is told of the hash table's size.
#[derive(Default)]
struct Sizes {
    /// Whether it is another one each time.
    growing: AtomicBool,
    grown: AtomicU32,
}

impl Sizes {
    /// Answers each reader of the pipe with one number.
    fn tell(&self, pipe: &Path, ended: &AtomicBool) {
        while !ended.load(Ordering::Relaxed) {
            if let Err(error) = self.tell_once(pipe) {
                eprintln!("cannot tell how big the table is: {error:#}");
                return;
            }
            // By then the reader has seen the end, and the next one is another.
            sleep(Duration::from_millis(2));
        }
    }

    fn tell_once(&self, pipe: &Path) -> Result<()> {
        let opened =
            OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(pipe);
        let mut pipe = match opened {
            // Nobody reads.
            Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => return Ok(()),
            opened => opened.context("open the pipe")?,
        };
        let growing = u32::from(self.growing.load(Ordering::Relaxed));
        let grown = self.grown.fetch_add(growing, Ordering::Relaxed) + growing;
        writeln!(pipe, "{}", BUCKETS + grown).context("write the number of buckets")
    }
}
