//! Turns the settings of masquerading into the addresses that pods see.
//!
//! Does not know of hairpins, which are masqueraded in any case.

use anyhow::Result;
use e2e::backend::Backend;

use crate::expect::{CLUSTER_IP, EVERYWHERE, EXTERNAL, Expected, client};
use crate::service::{ready, start};

/// By default a pod's address is kept, and whoever is no pod gets the node's.
pub(crate) fn from_outside(backend: Backend) -> Result<()> {
    let cluster = start(backend, "", "", &[ready("a"), ready("b")])?;
    client("pod c", &cluster.pods[2].netns).expect(CLUSTER_IP, Expected::Kept(&["a", "b"]))?;
    client("client", &cluster.client).expect_all(&EVERYWHERE, Expected::Masqueraded(&["a", "b"]))?;
    client("node", &cluster.node).expect_all(&EVERYWHERE, Expected::Masqueraded(&["a", "b"]))
}

/// `masqueradeAll` takes the pods' addresses too, on the way to a cluster IP.
pub(crate) fn everything(backend: Backend) -> Result<()> {
    let cluster = start(backend, "iptables: {masqueradeAll: true}", "", &[ready("a"), ready("b")])?;
    client("pod c", &cluster.pods[2].netns).expect(CLUSTER_IP, Expected::Masqueraded(&["a", "b"]))?;
    client("client", &cluster.client).expect_all(&EVERYWHERE, Expected::Masqueraded(&["a", "b"]))
}

/// Without a cluster CIDR nobody can be told from a pod: cluster IPs keep every address, external ones keep none.
pub(crate) fn without_detector(backend: Backend) -> Result<()> {
    let cluster = start(backend, "clusterCIDR: null", "", &[ready("a"), ready("b")])?;
    client("pod c", &cluster.pods[2].netns).expect(CLUSTER_IP, Expected::Kept(&["a", "b"]))?;
    client("client", &cluster.client).expect(CLUSTER_IP, Expected::Kept(&["a", "b"]))?;
    client("client", &cluster.client).expect_all(&EXTERNAL, Expected::Masqueraded(&["a", "b"]))
}
