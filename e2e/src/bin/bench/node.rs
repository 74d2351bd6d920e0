//! A node in a namespace: its tables, its tools, and an API server with all objects of a cluster.
//!
//! Does not know what is measured on it.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::apiserver::{ApiServer, Kind, Options, complete};
use e2e::backend::{Backend, Tools};
use e2e::command::command;
use e2e::netns::Netns;
use e2e::wait::Watch;
use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::Value;
use tempfile::TempDir;

use crate::object;
use crate::rules::Rules;
use crate::scale::Scale;

/// What the daemon is configured with: the defaults, but for what belongs to the host and not to a namespace.
const CONFIG: &str = "\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clusterCIDR: 10.0.0.0/8
conntrack: {maxPerCore: 0}
";

/// How the proxy, too, makes iptables-restore wait for the lock.
const RESTORE: [&str; 5] = ["-w", "5", "-W", "100000", "--counters"];

/// Empty tables in the place of what there is.
const NOTHING: &str = "*nat\nCOMMIT\n*filter\nCOMMIT\n*mangle\nCOMMIT\n";

/// A node. What runs on it must end before its value does.
pub(crate) struct Node {
    pub(crate) scale: Scale,
    pub(crate) backend: Backend,
    pub(crate) tools: Tools,
    server: ApiServer,
    credentials: TempDir,
    pub(crate) netns: Netns,
}

impl Node {
    /// A node without rules, in a cluster of this size.
    pub(crate) fn new(scale: Scale, backend: Backend) -> Result<Node> {
        let netns = Netns::new("bench")?;
        let tools = Tools::new(backend)?;
        let server = netns.inside(|| ApiServer::start(Options::default()))?;
        for object in object::all(scale) {
            server.set(complete(object))?;
        }
        // What happened so far would be searched at each change.
        server.compact();
        let credentials = TempDir::with_prefix("kp-bench-").context("make a folder for credentials")?;
        server.write_kubeconfig(credentials.path())?;
        Ok(Node { scale, backend, tools, server, credentials, netns })
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

    // === tables ===

    /// Removes all rules and all chains.
    pub(crate) fn reset(&self) -> Result<()> {
        for tool in ["iptables-restore", "ip6tables-restore"] {
            self.run(tool, &RESTORE, NOTHING)?;
        }
        Ok(())
    }

    /// Feeds a text to iptables-restore, and says how long it took.
    pub(crate) fn restore(&self, input: &str) -> Result<Duration> {
        let arguments = [&RESTORE[..], &["--noflush"]].concat();
        Ok(self.run("iptables-restore", &arguments, input)?.0)
    }

    /// All rules, and how long iptables-save took for them.
    pub(crate) fn save(&self) -> Result<(Duration, Rules)> {
        let (took, text) = self.run("iptables-save", &[], "")?;
        Ok((took, Rules::of(&text)))
    }

    /// Input and output are in memory, so that the tool waits for nobody.
    fn run(&self, tool: &str, arguments: &[&str], input: &str) -> Result<(Duration, String)> {
        let (stdin, mut stdout, mut stderr) = (memory(input)?, memory("")?, memory("")?);
        // By its path, or else this process, which is large, would be copied before the tool is started.
        let mut command = command(self.backend.program());
        command.arg(tool).args(arguments).stdin(Stdio::from(stdin));
        command.stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
        self.tools.equip(&mut command);
        let (status, took) = self.netns.inside(|| {
            let watch = Watch::start();
            (command.status(), watch.elapsed())
        });
        let said = content(&mut stderr)?;
        ensure!(status.with_context(|| format!("start {tool}"))?.success(), "{tool}: {said}");
        Ok((took, content(&mut stdout)?))
    }
}

fn memory(content: &str) -> Result<File> {
    let mut file = File::from(memfd_create("bench", MemfdFlags::CLOEXEC).context("make a file in memory")?);
    file.write_all(content.as_bytes()).context("write to memory")?;
    file.rewind().context("rewind")?;
    Ok(file)
}

fn content(file: &mut File) -> Result<String> {
    let mut text = String::new();
    file.rewind().context("rewind")?;
    file.read_to_string(&mut text).context("read what a tool said")?;
    Ok(text)
}
