//! Turns `localhostNodePorts` into who answers at 127.0.0.1 on the node.
//!
//! Does not know of node ports elsewhere, except that they work in any case.

use anyhow::{Result, ensure};
use e2e::backend::Backend;
use e2e::netns::Netns;
use e2e::request::{Answer, Protocol, Request};

use crate::expect::{Expected, NODE_PORT, client};
use crate::service::{ready, start};

/// Node ports answer on IPv4 loopback unless that is switched off, and never on IPv6 loopback.
pub(crate) fn on_and_off(backend: Backend) -> Result<()> {
    let cluster = start(backend, "", "", &[ready("a")])?;
    for protocol in Protocol::ALL {
        let answer = ask(&cluster.node, protocol, "127.0.0.1:30080")?;
        ensure!(answer.server() == Some("a") && !answer.keeps_address(), "on, {protocol}: found {answer}");
        let answer = ask(&cluster.node, protocol, "[::1]:30080")?;
        ensure!(answer == Answer::Refused, "on, IPv6, {protocol}: found {answer}");
    }
    drop(cluster);

    let cluster = start(backend, "iptables: {localhostNodePorts: false}", "", &[ready("a")])?;
    for protocol in Protocol::ALL {
        let answer = ask(&cluster.node, protocol, "127.0.0.1:30080")?;
        ensure!(answer == Answer::Refused, "off, {protocol}: found {answer}");
    }
    client("node", &cluster.node).expect(NODE_PORT, Expected::Masqueraded(&["a"]))?;
    client("client", &cluster.client).expect(NODE_PORT, Expected::Masqueraded(&["a"]))
}

fn ask(node: &Netns, protocol: Protocol, address: &str) -> Result<Answer> {
    Request::new(protocol, address.parse()?).ask(node)
}
