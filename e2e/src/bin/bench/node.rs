//! A node in a namespace: its tables, and an API server with all objects of a cluster.
//!
//! Does not know what is measured on it.

use anyhow::{Context, Result};
use e2e::apiserver::{ApiServer, Kind, Options, complete};
use e2e::backend::Backend;
use serde_json::Value;
use tempfile::TempDir;

use crate::object;
use crate::scale::Scale;
use crate::tables::Tables;

/// What the daemon is configured with: the defaults, but for what belongs to the host and not to a namespace.
const CONFIG: &str = "\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clusterCIDR: 10.0.0.0/8
conntrack: {maxPerCore: 0}
";

/// A node. What runs on it must end before its value does.
pub(crate) struct Node {
    pub(crate) scale: Scale,
    pub(crate) backend: Backend,
    server: ApiServer,
    credentials: TempDir,
    pub(crate) tables: Tables,
}

impl Node {
    /// A node without rules, in a cluster of this size.
    pub(crate) fn new(scale: Scale, backend: Backend) -> Result<Node> {
        let tables = Tables::new(backend)?;
        let server = tables.netns.inside(|| ApiServer::start(Options::default()))?;
        for object in object::all(scale) {
            server.set(complete(object))?;
        }
        let credentials = TempDir::with_prefix("kp-bench-").context("make a folder for credentials")?;
        server.write_kubeconfig(credentials.path())?;
        Ok(Node { scale, backend, server, credentials, tables })
    }

    /// The configuration of the daemon.
    pub(crate) fn config(&self) -> String {
        let kubeconfig = self.credentials.path().join("kubeconfig").display().to_string();
        format!("{CONFIG}clientConnection: {{kubeconfig: {kubeconfig:?}}}\n")
    }

    // === objects ===

    /// Creates or replaces an object.
    pub(crate) fn set(&self, object: Value) -> Result<()> {
        self.server.set(complete(object)).map(drop)
    }

    /// Deletes a Service, but not its slice.
    pub(crate) fn delete_service(&self, service: usize) {
        self.server.delete(Kind::Service, &object::namespace(service), &object::name(service));
    }

    /// Deletes the slice of a Service.
    pub(crate) fn delete_slice(&self, service: usize) {
        self.server.delete(Kind::EndpointSlice, &object::namespace(service), &object::slice_name(service));
    }
}
