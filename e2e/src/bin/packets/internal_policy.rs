//! Turns `internalTrafficPolicy: Local` into who answers at the cluster IP.
//!
//! Does not know of the external policy, which is Cluster here.

use anyhow::Result;
use e2e::backend::Backend;

use crate::expect::{CLUSTER_IP, EXTERNAL, Expected, client};
use crate::service::{change_endpoints, ready, start};

/// Only endpoints of this node answer at the cluster IP, and nobody if there are none; external addresses don't care.
pub(crate) fn local(backend: Backend) -> Result<()> {
    let endpoints = [ready("a"), ready("c").elsewhere()];
    let mut cluster = start(backend, "", "spec: {internalTrafficPolicy: Local}", &endpoints)?;
    client("pod b", &cluster.pods[1].netns).expect(CLUSTER_IP, Expected::Kept(&["a"]))?;
    client("client", &cluster.client).expect_all(&EXTERNAL, Expected::Masqueraded(&["a", "c"]))?;

    change_endpoints(&mut cluster, &[ready("c").elsewhere()])?;
    client("pod b", &cluster.pods[1].netns).expect(CLUSTER_IP, Expected::Silence)?;
    client("client", &cluster.client).expect_all(&EXTERNAL, Expected::Masqueraded(&["c"]))
}
