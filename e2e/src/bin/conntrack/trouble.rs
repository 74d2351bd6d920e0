//! Turns failures around the daemon into flows that recover all the same.
//!
//! Does not know of failures inside it: those are tests of the crate `conntrack`.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::cluster::CONFIG;
use e2e::command::run;
use e2e::flow::daemon::Setup;
use e2e::flow::queue::Queue;
use e2e::flow::sender::Sender;
use e2e::flow::service::Target::ClusterIp;
use e2e::flow::service::{PORTS, Service, pod_address, pods};
use e2e::flow::sink::Manner;
use e2e::flow::stage::{INTERVAL, Stage};
use rustix::fs::{XattrFlags, setxattr};
use tempfile::TempDir;

use crate::Outcome;
use crate::check;

/// While the daemon is down, an endpoint is replaced; flows of another service stay as they are.
pub(crate) fn restart(family: Family) -> Outcome {
    let mut stage = Stage::start("", &[])?;
    let other = Service::new(&pods(&[0])).named("other", 20);
    let staying = check::at_first_pod(&stage, family, &other, (&stage.client, ClusterIp))?;
    let moving = check::at_first_pod(&stage, family, &Service::new(&pods(&[0])), (&stage.client, ClusterIp))?;
    stage.mark(&staying)?;
    let commit = stage.restart(family, |stage| {
        let service = Service::new(&pods(&[1]));
        stage.manifests.put(&service.file(), &service.yaml())
    })?;
    let took = check::moves(&stage, &moving, [0, 1], commit)?;
    stage.has_marks(&staying)?;
    Ok(Some(took))
}

/// The first packet of a flow waits in a queue while the endpoint that was chosen for it is replaced.
pub(crate) fn packet_in_flight(family: Family) -> Outcome {
    const QUEUE: u16 = 7;
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0]));
    let begin = stage.put(family, &service)?;
    let rule =
        Rule::add(&stage, &format!("-d {} -p udp --dport {}", pod_address(family, 0), PORTS[0]), QUEUE)?;
    let queue = Queue::take(&stage.node, QUEUE)?;
    let front_end = service.address(family, ClusterIp, Manner::Silent);
    let senders = vec![Sender::start(&stage.client, front_end, INTERVAL)?];
    let mut waiting = vec![queue.next(Duration::from_secs(5))?.context("no packet came to the queue")?];
    senders[0].pause();

    let commit = stage.put(family, &Service::new(&pods(&[1])))?;
    check::sleep_until(commit + Duration::from_millis(500));
    ensure!(stage.arrival(&senders[0], 0, begin).is_none(), "the packet did not wait");
    rule.remove(&stage)?;
    // A second one may have been sent before the pause.
    waiting.extend(queue.next(Duration::ZERO)?);
    waiting.into_iter().try_for_each(|packet| queue.release(packet))?;
    let released = stage.wait_for(check::PATIENCE, || stage.arrival(&senders[0], 0, begin));
    ensure!(released.is_some(), "the packet was lost");
    // The second look comes two seconds after the commit.
    check::in_time(&stage, "from the commit to the packet", commit.elapsed(), Duration::from_millis(1900))?;
    let made = stage.entries(&[front_end])?;
    ensure!(
        made.iter().any(|entry| entry.flow.backend().ip() == pod_address(family, 0)),
        "no stale entry: {made:?}"
    );
    senders[0].resume();
    check::arrives_within(&stage, &senders, 1, commit, Duration::from_millis(2500)).map(Some)
}

/// A rule that sends packets to a queue, late enough to come after translation and early enough to come before the entry
/// is in the table.
struct Rule(Vec<String>);

impl Rule {
    fn add(stage: &Stage, matches: &str, queue: u16) -> Result<Rule> {
        let rule = format!("POSTROUTING {matches} -j NFQUEUE --queue-num {queue}");
        let rule = Rule(rule.split(' ').map(str::to_owned).collect());
        rule.change(stage, "-A")?;
        Ok(rule)
    }

    fn remove(self, stage: &Stage) -> Result<()> {
        self.change(stage, "-D")
    }

    fn change(&self, stage: &Stage, action: &str) -> Result<()> {
        let mut change = stage.node.command(Backend::Nft.program());
        run(change.args(["iptables", "-t", "mangle", action]).args(&self.0)).context("queue packets")?;
        Ok(())
    }
}

/// The daemon may not speak with the kernel of conntrack, only its tools may change rules.
pub(crate) fn without_capability(family: Family) -> Outcome {
    const COMPLAINT: &str = "Could not look at conntrack entries";
    let tools = TempDir::with_prefix("kp-capable-").context("make a folder for tools")?;
    capable_tools(tools.path())?;
    // Root is nobody special then: programs have the capabilities that their files bring.
    let through = ["setpriv", "--securebits", "+noroot,+noroot_locked", "--inh-caps=-all", "--"];
    let setup = Setup {
        config: CONFIG.to_owned(),
        through: through.map(OsString::from).to_vec(),
        tools: Some(tools.path().to_owned()),
        ..Setup::default()
    };
    let stage = Stage::start_with(setup)?;
    let service = Service::new(&pods(&[0]));
    let commit = stage.put(family, &service)?;
    stage.daemon.says(COMPLAINT, 0)?;
    let senders = stage.clients(&stage.client, family, &service, ClusterIp)?;
    stage.arrive(&senders, 0, commit)?;
    let commit = stage.put(family, &Service::new(&pods(&[1])))?;
    let fresh = stage.clients(&stage.client, family, &service, ClusterIp)?;
    stage.arrive(&fresh, 1, commit)?;
    sleep(Duration::from_secs(3));
    let complaints = stage.daemon.count(COMPLAINT)?;
    ensure!(complaints == 1, "{complaints} complaints; the log:\n{}", stage.daemon.tail());
    ensure!(stage.daemon.count("retryIn=\"60s\"")? == 1, "it is not said when it is tried again");
    let health = stage.node.inside(health).context("ask for health")?;
    ensure!(health.starts_with("HTTP/1.1 200 "), "it is not well: {health}");
    Ok(None)
}

fn health() -> io::Result<String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, 10256))?;
    connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: node1\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Links to a copy of iptables that may change rules whoever runs it.
fn capable_tools(folder: &Path) -> Result<()> {
    let program: PathBuf = folder.join("program");
    fs::copy(Backend::Nft.program(), &program).context("copy iptables")?;
    setxattr(&program, "security.capability", &net_admin_and_net_raw(), XattrFlags::empty())
        .context("give iptables its capabilities")?;
    for family in Family::ALL {
        for suffix in ["", "-save", "-restore"] {
            symlink(&program, folder.join(family.tool(suffix))).context("link a tool")?;
        }
    }
    Ok(())
}

/// Version 2 of the attribute: magic with the effective bit, then permitted and inheritable, low and high words.
fn net_admin_and_net_raw() -> Vec<u8> {
    let words: [u32; 5] = [0x0200_0001, 1 << 12 | 1 << 13, 0, 0, 0];
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
