//! Turns the want of endpoints into refusals, or into silence where another node may do better.
//!
//! Does not know of endpoints that answer.

use anyhow::Result;
use e2e::backend::Backend;

use crate::expect::{CLUSTER_IP, EVERYWHERE, EXTERNAL, Expected, NODE_PORT, client};
use crate::service::{change_endpoints, change_service, ready, start};

/// Nobody serves: everybody is told at once. Only this node does not serve: clients outside are left in silence.
pub(crate) fn refused_or_dropped(backend: Backend) -> Result<()> {
    let mut cluster = start(backend, "", "", &[])?;
    client("client", &cluster.client).expect_all(&EVERYWHERE, Expected::Refused)?;
    client("pod a", &cluster.pods[0].netns).expect_all(&EVERYWHERE, Expected::Refused)?;
    // What the node itself sends to load balancer and external IPs is not looked at without endpoints, and leaves.
    client("node", &cluster.node).expect_all(&[CLUSTER_IP, NODE_PORT], Expected::Refused)?;

    let local = "spec: {externalTrafficPolicy: Local, healthCheckNodePort: 32000}";
    change_service(&mut cluster, local)?;
    client("client", &cluster.client).expect_all(&EVERYWHERE, Expected::Refused)?;

    change_endpoints(&mut cluster, &[ready("a").elsewhere()])?;
    client("client", &cluster.client).expect_all(&EXTERNAL, Expected::Silence)?;
    client("client", &cluster.client).expect(CLUSTER_IP, Expected::Masqueraded(&["a"]))
}
