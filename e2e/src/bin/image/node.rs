//! Turns manifests and a backend into a node: network, API server, and the folders that stand for a pod's volumes.
//!
//! Does not know what runs on it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::backend::{Backend, Family, Tools};
use e2e::command::run;
use e2e::manifests::Manifests;
use e2e::netns::Netns;
use e2e::proxy::NODE;
use e2e::source::{Kind, Source};
use tempfile::TempDir;

use crate::pod::Place;

/// What the pod mounts, and what its ServiceAccount may do.
pub(crate) struct Deployment {
    /// `config.conf` and `kubeconfig.conf` of the ConfigMap.
    pub(crate) files: [(&'static str, String); 2],
    /// A file with a ClusterRole of its own, in place of `system:node-proxier`.
    pub(crate) role: Option<PathBuf>,
}

/// Where the API server listens in its namespace.
const API_SERVER: &str = "https://127.0.0.1:6443";
/// How long a page may take.
const PROMPT: Duration = Duration::from_secs(10);

const OBJECTS: &str = "\
apiVersion: v1
kind: Node
metadata: {name: node1}
spec: {podCIDRs: [10.244.0.0/24, 'fd00:10:244::/64']}
status:
  addresses:
  - {type: InternalIP, address: 192.168.50.2}
  - {type: InternalIP, address: 'fd00:50::2'}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  type: NodePort
  clusterIP: 10.96.0.10
  clusterIPs: [10.96.0.10, 'fd00:10:96::10']
  ipFamilies: [IPv4, IPv6]
  ipFamilyPolicy: PreferDualStack
  ports: [{name: http, port: 80, nodePort: 31080}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-6
  namespace: default
  labels: {kubernetes.io/service-name: web}
addressType: IPv6
ports: [{name: http, port: 8080}]
endpoints: [{addresses: ['fd00:10:244::5'], conditions: {ready: true}}]
";

/// A node whose kubelet uses one backend.
pub(crate) struct Node {
    pub(crate) netns: Netns,
    manifests: Manifests,
    source: Source,
    folder: TempDir,
    tools: Tools,
    others: Tools,
}

impl Node {
    pub(crate) fn new(backend: Backend, deployment: &Deployment) -> Result<Self> {
        let netns = Netns::new("image")?;
        // Nobody outside takes part: the node's addresses can be anywhere.
        netns.ip("address add 192.168.50.2/32 dev lo\naddress add fd00:50::2/128 dev lo nodad")?;
        let manifests = Manifests::new()?;
        manifests.put("objects.yaml", OBJECTS)?;
        let source = match &deployment.role {
            Some(role) => Source::with_role(role, manifests.path(), &netns)?,
            None => Source::of(Kind::Api, manifests.path(), &netns)?,
        };
        let folder = TempDir::with_prefix("kp-node-").context("make a folder for the node")?;
        let other = match backend {
            Backend::Nft => Backend::Legacy,
            Backend::Legacy => Backend::Nft,
        };
        let (tools, others) = (Tools::new(backend)?, Tools::new(other)?);
        let node = Self { netns, manifests, source, folder, tools, others };
        node.put_volumes(deployment)?;
        let hint = ["-t", "mangle", "-N", "KUBE-IPTABLES-HINT"];
        run(node.tools.equip(node.netns.command("iptables").args(hint)))?;
        Ok(node)
    }

    /// The endpoints of the IPv4 half of the Service.
    pub(crate) fn set_endpoints(&self, addresses: &[&str]) -> Result<()> {
        let endpoints: Vec<String> = addresses
            .iter()
            .map(|address| format!("{{addresses: [{address}], conditions: {{ready: true}}}}"))
            .collect();
        let slice = format!(
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: web-4\n  namespace: default\n  \
             labels: {{kubernetes.io/service-name: web}}\naddressType: IPv4\nports: [{{name: http, port: 8080}}]\n\
             endpoints: [{}]\n",
            endpoints.join(", ")
        );
        self.manifests.put("slice.yaml", &slice)
    }

    /// What the kubelet would have prepared.
    pub(crate) fn place(&self) -> Result<Place> {
        Ok(Place {
            node: NODE.to_owned(),
            netns: format!("/run/netns/{}", self.netns.name()),
            volumes: BTreeMap::from([
                ("config", self.file("config")),
                ("kube-proxy", self.file("config")),
                ("lib-modules", self.file("modules")),
                ("xtables-lock", self.file("xtables.lock")),
            ]),
            credentials: self.source.credentials().context("the API server has no credentials")?.to_owned(),
        })
    }

    /// A file or folder of the node.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The rules of both families in the node's backend.
    pub(crate) fn rules(&self) -> Result<String> {
        self.saved(&self.tools)
    }

    /// The rules of both families in the other backend.
    pub(crate) fn other_rules(&self) -> Result<String> {
        self.saved(&self.others)
    }

    /// A page of a server on the node, with its head.
    pub(crate) fn page(&self, port: u16, path: &str) -> Result<String> {
        self.netns.inside(|| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).context("connect")?;
            stream.set_read_timeout(Some(PROMPT))?;
            write!(stream, "GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")?;
            let mut page = String::new();
            stream.read_to_string(&mut page).context("read a page")?;
            Ok(page)
        })
    }

    fn saved(&self, tools: &Tools) -> Result<String> {
        Family::ALL.into_iter().map(|family| tools.save(&self.netns, family)).collect()
    }

    fn put_volumes(&self, deployment: &Deployment) -> Result<()> {
        fs::create_dir(self.file("config"))?;
        // The kernel has all that is needed, and nothing in the image could load more.
        fs::create_dir(self.file("modules"))?;
        fs::write(self.file("xtables.lock"), "")?;
        for (name, text) in &deployment.files {
            fs::write(self.file("config").join(name), text).with_context(|| format!("write {name}"))?;
        }
        Ok(())
    }
}

impl Deployment {
    /// Of a folder of manifests: the base with the files of the overlay for kind.
    pub(crate) fn base(manifests: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = manifests.join("kind").join(name);
            fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
        };
        let kubeconfig = read("kubeconfig.conf")?.replace("https://kind-control-plane:6443", API_SERVER);
        let files = [("config.conf", read("config.conf")?), ("kubeconfig.conf", kubeconfig)];
        Ok(Self { files, role: Some(manifests.join("base/rbac.yaml")) })
    }

    /// kubeadm's files and permissions. How many connections are tracked belongs to the host: left alone, as by kind.
    pub(crate) fn kubeadm() -> Self {
        let config = include_str!("../daemon/kubeadm.conf").replace("maxPerCore: null", "maxPerCore: 0");
        let kubeconfig = include_str!("../daemon/kubeconfig.conf").to_owned();
        Self { files: [("config.conf", config), ("kubeconfig.conf", kubeconfig)], role: None }
    }
}
