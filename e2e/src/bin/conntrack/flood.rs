//! Turns a flood of new flows, while a service fills and empties, into a count of entries that bypass it.
//!
//! Does not look after them: nobody deletes entries here, so that every one is seen.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::cluster::CONFIG;
use e2e::flow::daemon::Setup;
use e2e::flow::service::{Service, Target::ClusterIp, pods};
use e2e::flow::sink::Manner;
use e2e::flow::stage::Stage;
use rustix::time::{ClockId, clock_gettime};

use crate::Outcome;
use crate::check;

const TIMES: usize = 10;
/// CPU time of the flood for a new flow: a slower one meets hardly any moment of a change.
const EACH: Duration = Duration::from_micros(50);
/// The client's addresses, for more flows than one address has ports.
const ADDRESSES: [[u8; 4]; 4] =
    [[192, 168, 50, 11], [192, 168, 50, 12], [192, 168, 50, 13], [192, 168, 50, 14]];

/// A service without endpoints gets one.
pub(crate) fn empty_to_non_empty(family: Family) -> Outcome {
    transitions(family, Backend::Nft, [Service::new(&[]), Service::new(&pods(&[0]))])
}

/// The same in x_tables.
pub(crate) fn empty_to_non_empty_in_legacy(family: Family) -> Outcome {
    transitions(family, Backend::Legacy, [Service::new(&[]), Service::new(&pods(&[0]))])
}

/// A service loses its only endpoint.
pub(crate) fn non_empty_to_empty(family: Family) -> Outcome {
    transitions(family, Backend::Nft, [Service::new(&pods(&[0])), Service::new(&[])])
}

/// The same in x_tables.
pub(crate) fn non_empty_to_empty_in_legacy(family: Family) -> Outcome {
    transitions(family, Backend::Legacy, [Service::new(&pods(&[0])), Service::new(&[])])
}

fn transitions(family: Family, backend: Backend, [before, after]: [Service; 2]) -> Outcome {
    let flags = vec!["--flush-conntrack=false"];
    let stage = Stage::start_with(Setup { config: CONFIG.to_owned(), flags, backend, ..Setup::default() })?;
    // Entries shall not fill the table; each is seen long before it ends.
    stage.node.set_sysctl("net.netfilter.nf_conntrack_udp_timeout", "2")?;
    for address in ADDRESSES {
        stage.client.ip(&format!("addr add {}/24 dev eth0", Ipv4Addr::from(address)))?;
    }
    let front_end = before.address(family, ClusterIp, Manner::Silent);
    let flood = Flood::default();
    thread::scope(|scope| {
        let counted = (|| {
            stage.put(family, &before)?;
            scope.spawn(|| stage.client.inside(|| flood.run(front_end)));
            (0..TIMES).map(|_| bypassing(&stage, family, front_end, [&before, &after])).sum::<Result<usize>>()
        })();
        flood.ended.store(true, Ordering::Relaxed);
        let counted = counted?;
        ensure!(counted == 0, "{counted} entries bypass the service after {TIMES} changes");
        Ok(())
    })?;
    check::in_time(&stage, "CPU time for a new flow", flood.each(), EACH)?;
    Ok(None)
}

/// Entries that were made untranslated by the time of the commit; the change is taken back afterwards.
fn bypassing(
    stage: &Stage,
    family: Family,
    front_end: SocketAddr,
    [before, after]: [&Service; 2],
) -> Result<usize> {
    stage.put(family, after)?;
    let entries = stage.entries(&[front_end])?;
    stage.put(family, before)?;
    Ok(entries.iter().filter(|entry| !entry.flow.is_dnated()).count())
}

#[derive(Default)]
struct Flood {
    ended: AtomicBool,
    sent: AtomicU64,
    /// CPU time that it took.
    milliseconds: AtomicU64,
}

impl Flood {
    /// Each datagram comes from another port, or another address.
    fn run(&self, to: SocketAddr) {
        let ports = (1024..=u16::MAX).flat_map(|port| ADDRESSES.map(|address| (IpAddr::from(address), port)));
        for from in ports.cycle() {
            if self.ended.load(Ordering::Relaxed) {
                break;
            }
            // What cannot be sent is missing in the rate.
            if UdpSocket::bind(from).and_then(|socket| socket.send_to(b"", to)).is_ok() {
                self.sent.fetch_add(1, Ordering::Relaxed);
            }
        }
        let used = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
        let milliseconds = u64::try_from(used.as_millis()).expect("a flood ends soon");
        self.milliseconds.store(milliseconds, Ordering::Relaxed);
    }

    fn each(&self) -> Duration {
        let took = Duration::from_millis(self.milliseconds.load(Ordering::Relaxed).max(1));
        took.div_f64(self.sent.load(Ordering::Relaxed).max(1) as f64)
    }
}
