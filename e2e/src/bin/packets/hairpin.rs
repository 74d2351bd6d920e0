//! Turns pods that ask their own Service into packets that leave by the cable they came from.
//!
//! Does not know of clients elsewhere.

use anyhow::Result;
use e2e::backend::Backend;

use crate::expect::{CLUSTER_IP, EVERYWHERE, Expected, client};
use crate::service::{ready, start};

/// Without another address a pod's answer to itself would not pass the node, and the reply would be a stranger's.
pub(crate) fn to_itself(backend: Backend) -> Result<()> {
    let cluster = start(backend, "", "", &[ready("a")])?;
    client("pod a", &cluster.pods[0].netns).expect_all(&EVERYWHERE, Expected::Masqueraded(&["a"]))
}

/// Only the way to itself needs another address: the others see the pod's own.
pub(crate) fn among_others(backend: Backend) -> Result<()> {
    let cluster = start(backend, "", "", &[ready("b"), ready("c")])?;
    let [a, b, _] = cluster.pods.as_slice() else { unreachable!("there are three pods") };
    client("pod a", &a.netns).expect(CLUSTER_IP, Expected::Kept(&["b", "c"]))?;

    for variant in crate::expect::variants() {
        let asked = client("pod b", &b.netns).request(CLUSTER_IP, variant);
        for answer in asked.ask_often(&b.netns, 40)? {
            let expected = answer.server() == Some("c");
            anyhow::ensure!(answer.keeps_address() == expected, "pod b to {}: found {answer}", asked.to);
        }
    }
    Ok(())
}
