//! Turns an expectation into questions over TCP and UDP, IPv4 and IPv6, and into an error that names the wrong answer.
//!
//! Does not know why something is expected: the stories do.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use e2e::backend::Family;
use e2e::netns::Netns;
use e2e::request::{Answer, Protocol, Request};

/// Questions that find out who answers. That one of three is never chosen has a chance of three in 10^7.
const TIMES: usize = 40;

/// An address of the Service, in both families.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    name: &'static str,
    v4: &'static str,
    v6: &'static str,
}

/// The cluster IP.
pub(crate) const CLUSTER_IP: Target =
    Target { name: "cluster IP", v4: "10.96.0.10:80", v6: "[fd00:10:96::10]:80" };
/// The node port, at the node's address.
pub(crate) const NODE_PORT: Target =
    Target { name: "node port", v4: "192.168.50.2:30080", v6: "[fd00:50::2]:30080" };
/// The load balancer's address.
pub(crate) const LOAD_BALANCER: Target =
    Target { name: "load balancer IP", v4: "192.168.60.10:80", v6: "[fd00:60::10]:80" };
/// The external address.
pub(crate) const EXTERNAL_IP: Target =
    Target { name: "external IP", v4: "192.168.60.99:80", v6: "[fd00:60::99]:80" };

/// All addresses.
pub(crate) const EVERYWHERE: [Target; 4] = [CLUSTER_IP, NODE_PORT, LOAD_BALANCER, EXTERNAL_IP];
/// All addresses that are meant for clients outside the cluster.
pub(crate) const EXTERNAL: [Target; 3] = [NODE_PORT, LOAD_BALANCER, EXTERNAL_IP];

/// Who asks: a namespace, and perhaps one of its addresses in both families.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'a> {
    name: &'a str,
    netns: &'a Netns,
    from: Option<[IpAddr; 2]>,
}

/// What is expected of every question.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected<'a> {
    /// Exactly these pods answer, and they see the client's own address.
    Kept(&'a [&'a str]),
    /// Exactly these pods answer, and they see another address.
    Masqueraded(&'a [&'a str]),
    /// Refused at once.
    Refused,
    /// Dropped.
    Silence,
}

/// A client, from whatever address its routes choose.
pub(crate) fn client<'a>(name: &'a str, netns: &'a Netns) -> Client<'a> {
    Client { name, netns, from: None }
}

impl<'a> Client<'a> {
    /// The same from these addresses.
    pub(crate) fn from(self, v4: &str, v6: &str) -> Client<'a> {
        let address = |text: &str| text.parse().expect("stories name addresses");
        Client { from: Some([address(v4), address(v6)]), ..self }
    }

    /// Asks a target over both protocols and families.
    pub(crate) fn expect(self, target: Target, expected: Expected) -> Result<()> {
        thread::scope(|scope| {
            let asked: Vec<_> = variants()
                .map(|variant| scope.spawn(move || self.expect_one(target, variant, expected)))
                .collect();
            asked.into_iter().try_for_each(|asked| asked.join().expect("asking does not panic"))
        })
    }

    /// Asks several targets, one after the other.
    pub(crate) fn expect_all(self, targets: &[Target], expected: Expected) -> Result<()> {
        targets.iter().try_for_each(|target| self.expect(*target, expected))
    }

    /// A question over one protocol and family.
    pub(crate) fn request(self, target: Target, (family, protocol): (Family, Protocol)) -> Request {
        let request = Request::new(protocol, target.address(family));
        match self.from {
            Some([v4, v6]) => request.from(if family == Family::V4 { v4 } else { v6 }),
            None => request,
        }
    }

    fn expect_one(self, target: Target, variant: (Family, Protocol), expected: Expected) -> Result<()> {
        let request = self.request(target, variant);
        let what = || {
            format!("{} to {} {} over {}: expected {expected}", self.name, target.name, request.to, variant.1)
        };
        let answers = match expected {
            Expected::Silence => request.ask_silence(self.netns).map(|answer| vec![answer]),
            Expected::Kept(_) | Expected::Masqueraded(_) => request.ask_often(self.netns, TIMES),
            Expected::Refused => request.ask_often(self.netns, 1),
        };
        let answers = answers.with_context(what)?;
        expected.check(&answers).with_context(what)
    }
}

/// Both families over both protocols.
pub(crate) fn variants() -> impl Iterator<Item = (Family, Protocol)> {
    Family::ALL.into_iter().flat_map(|family| Protocol::ALL.map(|protocol| (family, protocol)))
}

impl Target {
    /// Its address in a family.
    pub(crate) fn address(self, family: Family) -> SocketAddr {
        let text = match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        };
        text.parse().expect("stories name addresses")
    }
}

impl Expected<'_> {
    fn check(self, answers: &[Answer]) -> Result<()> {
        match self {
            Expected::Kept(pods) => only(answers, pods, true),
            Expected::Masqueraded(pods) => only(answers, pods, false),
            Expected::Refused => all(answers, &Answer::Refused),
            Expected::Silence => all(answers, &Answer::Silence),
        }
    }
}

fn all(answers: &[Answer], expected: &Answer) -> Result<()> {
    match answers.iter().find(|answer| *answer != expected) {
        Some(other) => bail!("found {other}"),
        None => Ok(()),
    }
}

fn only(answers: &[Answer], pods: &[&str], keeps_address: bool) -> Result<()> {
    let servers: BTreeSet<Option<&str>> = answers.iter().map(Answer::server).collect();
    let expected: BTreeSet<Option<&str>> = pods.iter().map(|pod| Some(*pod)).collect();
    if let Some(other) = answers.iter().find(|answer| !expected.contains(&answer.server())) {
        bail!("found {other}");
    }
    ensure!(servers == expected, "found answers of {servers:?} only");
    match answers.iter().find(|answer| answer.keeps_address() != keeps_address) {
        Some(other) => bail!("found {other}"),
        None => Ok(()),
    }
}

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Kept(pods) => write!(f, "{} to see the client's address", pods.join(", ")),
            Expected::Masqueraded(pods) => write!(f, "{} to see another address", pods.join(", ")),
            Expected::Refused => f.write_str("a refusal"),
            Expected::Silence => f.write_str("silence"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(server: &str, seen: &str) -> Answer {
        let client = "10.0.0.1:7".parse().unwrap();
        Answer::From { server: server.to_owned(), seen: seen.parse().unwrap(), client }
    }

    #[track_caller]
    fn check(expected: Expected, answers: &[Answer], complaint: Option<&str>) {
        let found = expected.check(answers).err().map(|error| error.to_string());
        assert_eq!(found.as_deref(), complaint);
    }

    #[test]
    fn expectations_can_fail() {
        let kept = answer("a", "10.0.0.1:7");
        let other = answer("b", "10.0.0.9:7");
        check(Expected::Kept(&["a"]), std::slice::from_ref(&kept), None);
        check(
            Expected::Kept(&["a", "b"]),
            std::slice::from_ref(&kept),
            Some("found answers of {Some(\"a\")} only"),
        );
        check(Expected::Kept(&["a"]), &[kept.clone(), other.clone()], Some("found b, which saw 10.0.0.9"));
        check(Expected::Kept(&["b"]), std::slice::from_ref(&other), Some("found b, which saw 10.0.0.9"));
        check(Expected::Masqueraded(&["b"]), std::slice::from_ref(&other), None);
        check(
            Expected::Masqueraded(&["a"]),
            std::slice::from_ref(&kept),
            Some("found a, which saw 10.0.0.1"),
        );
        check(Expected::Refused, &[Answer::Silence], Some("found silence"));
        check(Expected::Silence, &[Answer::Refused], Some("found refused"));
        check(Expected::Kept(&["a"]), &[kept, Answer::Silence], Some("found silence"));
    }
}
