//! Turns a configuration into a stage: a client, a node with the real `kube-proxy`, two pods, and a host outside.
//!
//! Does not know which Services there are. Whatever no rule translates goes to the host outside, which is silent
//! unless a server is started there.
//!
//! | | IPv4 | IPv6 |
//! |---|---|---|
//! | client | 192.168.50.10 | fd00:50::10 |
//! | node | 192.168.50.2, 172.31.0.2 | fd00:50::2, fd00:31::2 |
//! | outside | 172.31.0.1 | fd00:31::1 |
#![expect(clippy::disallowed_methods, reason = "arrivals are moments")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::daemon::{Daemon, Setup};
use super::sender::Sender;
use super::service::{OTHER_PORTS, PORTS, Service, Target, pod_address};
use super::sink::{Manner, Sink};
use super::table::{self, Entry};
use crate::backend::Family;
use crate::cluster::{CONFIG, NODE_OBJECT};
use crate::manifests::Manifests;
use crate::netns::Netns;

/// Clients send this often, unless a story needs something else.
pub const INTERVAL: Duration = Duration::from_millis(100);

/// How long anything may take that is not measured.
const PATIENCE: Duration = Duration::from_secs(20);

/// The stage. The daemon and the servers end before their namespaces go.
#[derive(Debug)]
pub struct Stage {
    /// The daemon under test.
    pub daemon: Daemon,
    /// The servers of the pods.
    pub sinks: Vec<Sink>,
    /// The pods.
    pub pods: Vec<Netns>,
    /// The client's namespace.
    pub client: Netns,
    /// The node's namespace.
    pub node: Netns,
    /// The namespace of the host outside.
    pub outside: Netns,
    /// What the daemon follows.
    pub manifests: Manifests,
    /// How the daemon was started.
    pub setup: Setup,
}

impl Stage {
    /// Makes the stage, with nothing to do for the daemon yet; when this returns, it has made its first commits.
    ///
    /// # Errors
    /// If a namespace cannot be made, or the daemon makes no commit.
    pub fn start(config: &str, flags: &[&'static str]) -> Result<Stage> {
        let setup = Setup { config: format!("{CONFIG}{config}"), flags: flags.to_vec(), ..Setup::default() };
        Stage::start_with(setup)
    }

    /// The same, with all that can be said of the daemon.
    ///
    /// # Errors
    /// As [`Stage::start`].
    pub fn start_with(setup: Setup) -> Result<Stage> {
        let [client, node, outside] = ["client", "node", "outside"].map(Netns::new);
        let (client, node, outside) = (client?, node?, outside?);
        connect(&client, &node, &outside)?;
        let pods = ["a", "b"].into_iter().enumerate().map(|(index, name)| pod(name, index, &node));
        let pods: Vec<Netns> = pods.collect::<Result<_>>()?;
        let sinks = pods.iter().map(serve).collect::<Result<_>>()?;
        let manifests = Manifests::new()?;
        manifests.put("node.yaml", NODE_OBJECT)?;
        let daemon = Daemon::start(&node, manifests.path(), &setup)?;
        let stage = Stage { daemon, sinks, pods, client, node, outside, manifests, setup };
        stage.is_ready()?;
        Ok(stage)
    }

    fn is_ready(&self) -> Result<()> {
        Family::ALL.iter().try_for_each(|family| self.daemon.committed(*family, 0).map(drop))
    }

    /// Ends the daemon and does `meanwhile`, then starts it again; returns the moment of its first commit.
    ///
    /// # Errors
    /// If the daemon does not do as it is told, or `meanwhile` fails.
    pub fn restart(
        &mut self,
        family: Family,
        meanwhile: impl FnOnce(&Stage) -> Result<()>,
    ) -> Result<Instant> {
        self.daemon.stop()?;
        meanwhile(self)?;
        self.daemon = Daemon::start(&self.node, self.manifests.path(), &self.setup)?;
        self.daemon.committed(family, 0)
    }

    /// Writes a Service with its slices, and returns the moment at which its rules of a family were in place.
    ///
    /// # Errors
    /// If they are not, after some time.
    pub fn put(&self, family: Family, service: &Service) -> Result<Instant> {
        let before = self.daemon.commits(family)?;
        self.manifests.put(&service.file(), &service.yaml())?;
        self.daemon.committed(family, before)
    }

    /// Removes a Service with its slices; the moment as with [`Stage::put`].
    ///
    /// # Errors
    /// As [`Stage::put`].
    pub fn remove(&self, family: Family, service: &Service) -> Result<Instant> {
        let before = self.daemon.commits(family)?;
        self.manifests.remove(&service.file())?;
        self.daemon.committed(family, before)
    }

    /// A client for servers of each manner, sending steadily to an address of a Service.
    ///
    /// # Errors
    /// If there is no route.
    pub fn clients(
        &self,
        from: &Netns,
        family: Family,
        service: &Service,
        target: Target,
    ) -> Result<Vec<Sender>> {
        let start = |manner| Sender::start(from, service.address(family, target, manner), INTERVAL);
        Manner::ALL.into_iter().map(start).collect()
    }

    /// The first arrival at a pod since a moment, if there is one.
    pub fn arrival(&self, sender: &Sender, pod: usize, since: Instant) -> Option<Instant> {
        self.sinks[pod].arrivals(sender).into_iter().find(|at| *at >= since)
    }

    /// Waits until datagrams of each sender arrive at a pod; returns the last of their first arrivals since then.
    ///
    /// # Errors
    /// If nothing arrives for some time.
    pub fn arrive(&self, senders: &[Sender], pod: usize, since: Instant) -> Result<Instant> {
        let mut last = since;
        for sender in senders {
            last = last.max(self.wait_for(PATIENCE, || self.arrival(sender, pod, since)).with_context(
                || {
                    format!(
                        "nothing of {} to {} arrives; the end of the log:\n{}",
                        sender.from,
                        sender.to,
                        self.daemon.tail()
                    )
                },
            )?);
        }
        Ok(last)
    }

    /// Asks until there is something.
    pub fn wait_for<T>(&self, limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let start = Instant::now();
        loop {
            match look() {
                None if start.elapsed() < limit => sleep(Duration::from_millis(5)),
                found => return found,
            }
        }
    }

    /// The entries of the node that were made for these front ends.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn entries(&self, front_ends: &[SocketAddr]) -> Result<Vec<Entry>> {
        let mut entries = table::entries(&self.node)?;
        entries.retain(|entry| front_ends.contains(&entry.front_end()));
        Ok(entries)
    }

    /// Marks the entries of these senders, each with a mark of its own.
    ///
    /// # Errors
    /// If one of them has no entry.
    pub fn mark(&self, senders: &[Sender]) -> Result<()> {
        let entries = table::entries(&self.node)?;
        let marked: Vec<Entry> = (1000..)
            .zip(senders)
            .map(|(mark, sender)| {
                let entry = entries.iter().find(|entry| is_of(entry, sender));
                Ok(Entry { mark, ..*entry.with_context(|| format!("{} has no entry", sender.from))? })
            })
            .collect::<Result<_>>()?;
        table::mark(&self.node, &marked)
    }

    /// Fails unless each sender still has the entry that was marked.
    ///
    /// # Errors
    /// The first sender whose entry was deleted.
    pub fn has_marks(&self, senders: &[Sender]) -> Result<()> {
        let entries = table::entries(&self.node)?;
        let marks: BTreeMap<SocketAddr, u32> = senders
            .iter()
            .flat_map(|sender| entries.iter().filter(|entry| is_of(entry, sender)))
            .map(|entry| (entry.client(), entry.mark))
            .collect();
        for (mark, sender) in (1000..).zip(senders) {
            let found = marks.get(&sender.from).copied();
            ensure!(
                found == Some(mark),
                "the entry of {} to {} was deleted: its mark is {found:?}; the end of the log:\n{}",
                sender.from,
                sender.to,
                self.daemon.tail()
            );
        }
        Ok(())
    }
}

fn is_of(entry: &Entry, sender: &Sender) -> bool {
    (entry.client(), entry.front_end()) == (sender.from, sender.to)
        && entry.flow.orig.protocol() == conntrack::flow::Protocol::UDP
}

fn connect(client: &Netns, node: &Netns, outside: &Netns) -> Result<()> {
    for name in ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"] {
        node.set_sysctl(name, "1")?;
    }
    // Refusals are ICMP messages; a client that sends often must get all of them.
    node.set_sysctl("net.ipv4.icmp_ratelimit", "0")?;
    node.set_sysctl("net.ipv6.icmp.ratelimit", "0")?;
    client.connect("eth0", node, "eth0")?;
    outside.connect("eth0", node, "eth1")?;
    node.ip("addr add 192.168.50.2/24 dev eth0\n\
         addr add fd00:50::2/64 dev eth0 nodad\n\
         addr add 172.31.0.2/24 dev eth1\n\
         addr add fd00:31::2/64 dev eth1 nodad\n\
         route add default via 172.31.0.1\n\
         route add default via fd00:31::1")?;
    client.ip("addr add 192.168.50.10/24 dev eth0\n\
         addr add fd00:50::10/64 dev eth0 nodad\n\
         route add default via 192.168.50.2\n\
         route add default via fd00:50::2")?;
    outside.ip("addr add 172.31.0.1/24 dev eth0\n\
         addr add fd00:31::1/64 dev eth0 nodad\n\
         route add 10.244.0.0/16 via 172.31.0.2\n\
         route add 192.168.50.0/24 via 172.31.0.2\n\
         route add fd00:10:244::/48 via fd00:31::2\n\
         route add fd00:50::/64 via fd00:31::2")
}

/// Each pod hangs on a cable of its own and reaches everything through the node.
fn pod(name: &str, index: usize, node: &Netns) -> Result<Netns> {
    let netns = Netns::new(name)?;
    let [v4, v6] = Family::ALL.map(|family| pod_address(family, index));
    let link = format!("pod-{name}");
    node.connect(&link, &netns, "eth0")?;
    node.ip(&format!(
        "addr add 10.244.0.1/32 dev {link}\naddr add fd00:10:244::1/128 dev {link} nodad\n\
         route add {v4} dev {link}\nroute add {v6} dev {link}"
    ))?;
    netns.ip(&format!(
        "addr add {v4}/32 dev eth0\naddr add {v6}/128 dev eth0 nodad\n\
         route add 10.244.0.1 dev eth0\nroute add default via 10.244.0.1\n\
         route add fd00:10:244::1 dev eth0\nroute add default via fd00:10:244::1"
    ))?;
    Ok(netns)
}

fn serve(pod: &Netns) -> Result<Sink> {
    let ports: Vec<(u16, Manner)> =
        [PORTS, OTHER_PORTS].iter().flat_map(|ports| ports.iter().copied().zip(Manner::ALL)).collect();
    Sink::start(pod, &ports)
}
