//! Turns `externalTrafficPolicy: Local` into who answers clients inside and outside the cluster.
//!
//! Does not know of the health check of the policy, only of the traffic.

use anyhow::Result;
use e2e::backend::Backend;

use crate::expect::{CLUSTER_IP, EVERYWHERE, EXTERNAL, Expected, client};
use crate::service::{ready, start};

const LOCAL: &str = "spec: {externalTrafficPolicy: Local, healthCheckNodePort: 32000}";

/// Clients outside reach the node's own endpoints, with their address; pods and the node reach all endpoints.
pub(crate) fn with_local_endpoints(backend: Backend) -> Result<()> {
    let cluster = start(backend, "", LOCAL, &[ready("a"), ready("c").elsewhere()])?;
    let outside = client("client", &cluster.client);
    outside.expect_all(&EXTERNAL, Expected::Kept(&["a"]))?;
    outside.expect(CLUSTER_IP, Expected::Masqueraded(&["a", "c"]))?;
    client("pod b", &cluster.pods[1].netns).expect_all(&EVERYWHERE, Expected::Kept(&["a", "c"]))?;
    client("node", &cluster.node).expect_all(&EVERYWHERE, Expected::Masqueraded(&["a", "c"]))
}

/// A node without endpoints drops what comes from outside, so that a balancer tries another node.
pub(crate) fn without_local_endpoints(backend: Backend) -> Result<()> {
    let cluster = start(backend, "", LOCAL, &[ready("c").elsewhere()])?;
    let outside = client("client", &cluster.client);
    outside.expect_all(&EXTERNAL, Expected::Silence)?;
    outside.expect(CLUSTER_IP, Expected::Masqueraded(&["c"]))?;
    client("pod b", &cluster.pods[1].netns).expect_all(&EVERYWHERE, Expected::Kept(&["c"]))?;
    client("node", &cluster.node).expect_all(&EVERYWHERE, Expected::Masqueraded(&["c"]))
}
