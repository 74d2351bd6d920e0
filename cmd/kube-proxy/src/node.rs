//! What this node's Node object means to the daemon while it runs.
//!
//! Rules depend on its zone alone, which the families see for themselves.

use std::net::IpAddr;

use anyhow::{Result, bail};
use config::{Checked, DetectLocal};
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
    /// `bindAddress`, which goes before the Node's own addresses.
    bind_address: IpAddr,
    /// Whether the rules hold the pod CIDRs that were found at the start.
    depends_on_pod_cidrs: bool,
}

impl ThisNode {
    /// The node of this identity.
    pub(crate) fn new(identity: NodeIdentity, health: SharedHealth, config: &Checked) -> Self {
        let depends_on_pod_cidrs = matches!(config.detect_local, DetectLocal::NodeCidr);
        Self { identity, health, bind_address: config.bind_address, depends_on_pod_cidrs }
    }

    /// Takes in changes of the cluster. What the Node was in between is nobody's concern: before the start, it may not
    /// have been complete.
    ///
    /// # Errors
    /// The pod CIDRs changed that the rules hold: the daemon must start anew.
    pub(crate) fn take_in(&self, changes: &[Change]) -> Result<()> {
        changes.iter().rev().find(|change| self.is_meant(change)).map_or(Ok(()), |change| self.became(change))
    }

    fn is_meant(&self, change: &Change) -> bool {
        match change {
            Change::SetNode(node) => node.name == self.identity.name,
            Change::DeleteNode(name) => *name == self.identity.name,
            Change::SetService(_)
            | Change::DeleteService(_)
            | Change::SetEndpointSlice(_)
            | Change::DeleteEndpointSlice(_)
            | Change::Synced => false,
        }
    }

    fn became(&self, change: &Change) -> Result<()> {
        match change {
            Change::SetNode(node) => self.changed(node),
            Change::DeleteNode(name) => {
                info!(node = %name, "Node is being deleted");
                Ok(())
            }
            Change::SetService(_)
            | Change::DeleteService(_)
            | Change::SetEndpointSlice(_)
            | Change::DeleteEndpointSlice(_)
            | Change::Synced => Ok(()),
        }
    }

    fn changed(&self, node: &Node) -> Result<()> {
        self.health.lock().set_eligibility(Eligibility::of(node));
        let found = &self.identity;
        if self.depends_on_pod_cidrs && node.pod_cidrs != found.pod_cidrs {
            info!(node = found.name, "PodCIDRs changed for the node");
            bail!("the pod CIDRs of node {:?} changed", found.name);
        }
        let ips = NodeIps::choose(&node.addresses, self.bind_address);
        if ips != found.ips && !node.addresses.is_empty() {
            info!(node = found.name, "NodeIPs changed for the node");
        }
        Ok(())
    }
}
