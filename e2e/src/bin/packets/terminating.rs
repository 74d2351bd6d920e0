//! Turns the conditions of endpoints into who still answers while pods come and go.
//!
//! Does not know of connections that are open already.

use anyhow::Result;
use e2e::backend::Backend;

use crate::expect::{CLUSTER_IP, EVERYWHERE, EXTERNAL, Expected, client};
use crate::service::{change_endpoints, ready, start};

/// Endpoints that are ending answer only when there are no others, and only as long as they serve.
pub(crate) fn last_resort(backend: Backend) -> Result<()> {
    let mut cluster =
        start(backend, "", "", &[ready("a"), ready("b").terminating(), ready("c").not_ready()])?;
    client("client", &cluster.client).expect_all(&EVERYWHERE, Expected::Masqueraded(&["a"]))?;

    change_endpoints(
        &mut cluster,
        &[ready("a").terminating(), ready("b").terminating(), ready("c").not_ready()],
    )?;
    client("client", &cluster.client).expect_all(&EVERYWHERE, Expected::Masqueraded(&["a", "b"]))?;

    change_endpoints(&mut cluster, &[ready("a").ended(), ready("b").ended(), ready("c").not_ready()])?;
    client("client", &cluster.client).expect_all(&EVERYWHERE, Expected::Refused)?;

    change_endpoints(&mut cluster, &[ready("c")])?;
    client("client", &cluster.client).expect_all(&EVERYWHERE, Expected::Masqueraded(&["c"]))
}

/// With the policy Local a node's ending endpoints answer clients outside, though other nodes have ready ones.
pub(crate) fn of_this_node(backend: Backend) -> Result<()> {
    let policy = "spec: {externalTrafficPolicy: Local, healthCheckNodePort: 32000}";
    let mut cluster = start(backend, "", policy, &[ready("a").terminating(), ready("c").elsewhere()])?;
    client("client", &cluster.client).expect_all(&EXTERNAL, Expected::Kept(&["a"]))?;
    client("pod b", &cluster.pods[1].netns).expect(CLUSTER_IP, Expected::Kept(&["c"]))?;

    change_endpoints(&mut cluster, &[ready("a").ended(), ready("c").elsewhere()])?;
    client("client", &cluster.client).expect_all(&EXTERNAL, Expected::Silence)
}
