//! Turns `loadBalancerSourceRanges` into clients that are let in and clients that are not.
//!
//! Does not know of load balancers that filter themselves.

use anyhow::Result;
use e2e::backend::Backend;

use crate::expect::{CLUSTER_IP, EXTERNAL_IP, Expected, LOAD_BALANCER, NODE_PORT, client};
use crate::service::{change_service, ready, start};

const RANGES: &str = "spec: {loadBalancerSourceRanges: [192.168.50.10/32, 'fd00:50::10/128']}";

/// The ranges guard the load balancer's address and no other; what is outside of them is dropped.
pub(crate) fn load_balancer(backend: Backend) -> Result<()> {
    let mut cluster = start(backend, "", RANGES, &[ready("a"), ready("b")])?;
    let allowed = client("the client in range", &cluster.client).from("192.168.50.10", "fd00:50::10");
    let blocked = client("the client out of range", &cluster.client).from("192.168.50.20", "fd00:50::20");
    allowed.expect(LOAD_BALANCER, Expected::Masqueraded(&["a", "b"]))?;
    blocked.expect(LOAD_BALANCER, Expected::Silence)?;
    blocked.expect_all(&[CLUSTER_IP, NODE_PORT, EXTERNAL_IP], Expected::Masqueraded(&["a", "b"]))?;
    client("pod c", &cluster.pods[2].netns).expect(LOAD_BALANCER, Expected::Silence)?;
    client("node", &cluster.node).expect(LOAD_BALANCER, Expected::Silence)?;

    change_service(&mut cluster, "")?;
    let blocked = client("the client out of range", &cluster.client).from("192.168.50.20", "fd00:50::20");
    blocked.expect(LOAD_BALANCER, Expected::Masqueraded(&["a", "b"]))
}
