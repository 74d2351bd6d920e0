//! What this node's Node object means to the daemon while it runs.
//!
//! Rules depend on its zone alone, which the families see for themselves.

use anyhow::{Result, bail};
use config::DetectLocal;
use informer::change::Change;
use informer::object::Node;
use proxier::node::{NodeIdentity, NodeIps};
use tracing::info;

use crate::health::Eligibility;
use crate::serve::SharedHealth;

/// This node as it was found at the start, and who wants to know of changes.
pub(crate) struct ThisNode {
    identity: NodeIdentity,
    health: SharedHealth,
    /// Whether the rules hold the pod CIDRs that were found at the start.
    depends_on_pod_cidrs: bool,
}

impl ThisNode {
    /// The node of this identity.
    pub(crate) fn new(identity: NodeIdentity, health: SharedHealth, mode: &DetectLocal) -> Self {
        let depends_on_pod_cidrs = matches!(mode, DetectLocal::NodeCidr);
        Self { identity, health, depends_on_pod_cidrs }
    }

    /// Takes in a change of the cluster.
    ///
    /// # Errors
    /// The pod CIDRs changed that the rules hold: the daemon must start anew.
    pub(crate) fn take_in(&self, change: &Change) -> Result<()> {
        match change {
            Change::SetNode(node) if node.name == self.identity.name => self.changed(node),
            Change::DeleteNode(name) if *name == self.identity.name => {
                info!(node = %name, "Node is being deleted");
                Ok(())
            }
            Change::SetNode(_)
            | Change::DeleteNode(_)
            | Change::SetService(_)
            | Change::DeleteService(_)
            | Change::SetEndpointSlice(_)
            | Change::DeleteEndpointSlice(_)
            | Change::Synced => Ok(()),
        }
    }

    fn changed(&self, node: &Node) -> Result<()> {
        let eligibility = if node.is_leaving { Eligibility::Leaving } else { Eligibility::Eligible };
        self.health.lock().set_eligibility(eligibility);
        let found = &self.identity;
        if self.depends_on_pod_cidrs && node.pod_cidrs != found.pod_cidrs {
            info!(node = found.name, "PodCIDRs changed for the node");
            bail!("the pod CIDRs of node {:?} changed", found.name);
        }
        let ips = NodeIps::choose(&node.addresses, found.ips.of(found.ips.primary));
        if ips != found.ips && !node.addresses.is_empty() {
            info!(node = found.name, "NodeIPs changed for the node");
        }
        Ok(())
    }
}
