//! Turns session affinity into clients that stay with their pod, until they were away for too long.
//!
//! Does not know how the affinity is remembered.

use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::cluster::Cluster;
use e2e::request::{Protocol, Request};

use crate::expect::{EVERYWHERE, Expected, LOAD_BALANCER, client, variants};
use crate::service::{change_endpoints, ready, start};

/// Client addresses. That all of them find the same of three pods twice by chance: one in 4 * 10^7.
const CLIENTS: u8 = 16;

/// The timeout, in seconds.
const AFFINITY: &str =
    "spec: {sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 4}}}";

/// Half of the timeout.
const A_WHILE: Duration = Duration::from_secs(2);

/// More than the timeout.
const TOO_LONG: Duration = Duration::from_secs(5);

/// Every request starts the time anew; a client that was away for longer is forgotten.
pub(crate) fn expiry(backend: Backend) -> Result<()> {
    let cluster = start(backend, "", AFFINITY, &[ready("a"), ready("b"), ready("c")])?;
    add_clients(&cluster)?;
    let first = who_answers(&cluster)?;
    for round in ["at once", "after half of the time", "after all of the time, refreshed"] {
        ensure!(who_answers(&cluster)? == first, "{round}: a client has changed its pod");
        sleep(A_WHILE);
    }
    sleep(TOO_LONG - A_WHILE);
    for ((variant, before), after) in variants().zip(first).zip(who_answers(&cluster)?) {
        ensure!(
            before != after,
            "{variant:?}: every client stays with its pod, though it was away for too long"
        );
    }
    Ok(())
}

/// A client whose pod is no endpoint any more goes to one that is.
pub(crate) fn endpoint_goes(backend: Backend) -> Result<()> {
    let mut cluster = start(backend, "", "spec: {sessionAffinity: ClientIP}", &[ready("a")])?;
    client("client", &cluster.client).expect_all(&EVERYWHERE, Expected::Masqueraded(&["a"]))?;
    change_endpoints(&mut cluster, &[ready("b")])?;
    client("client", &cluster.client).expect_all(&EVERYWHERE, Expected::Masqueraded(&["b"]))
}

/// The pod of each client, for each variant.
fn who_answers(cluster: &Cluster) -> Result<Vec<Vec<String>>> {
    let ask =
        |(family, protocol)| (0..CLIENTS).map(|number| pod_of(cluster, family, protocol, number)).collect();
    variants().map(ask).collect()
}

/// The one pod that answers a client three times.
fn pod_of(cluster: &Cluster, family: Family, protocol: Protocol, number: u8) -> Result<String> {
    let from = address(family, number)?;
    let answers =
        Request::new(protocol, LOAD_BALANCER.address(family)).from(from).ask_often(&cluster.client, 3)?;
    let pod = answers[0].server().with_context(|| format!("{from} over {protocol}: found {}", answers[0]))?;
    for answer in &answers {
        ensure!(answer.server() == Some(pod), "{from} over {protocol}: first {pod}, then {answer}");
    }
    Ok(pod.to_owned())
}

fn add_clients(cluster: &Cluster) -> Result<()> {
    for number in 0..CLIENTS {
        let [v4, v6] = [address(Family::V4, number)?, address(Family::V6, number)?];
        cluster.client.ip(&format!("addr add {v4}/24 dev eth0\naddr add {v6}/64 dev eth0 nodad"))?;
    }
    Ok(())
}

fn address(family: Family, number: u8) -> Result<IpAddr> {
    let host = 101 + u16::from(number);
    let text = match family {
        Family::V4 => format!("192.168.50.{host}"),
        Family::V6 => format!("fd00:50::{host}"),
    };
    text.parse().context("an address")
}
