//! Turns objects and a configuration into a node with the real binary and an API server, each to be started and stopped.
//!
//! Does not know what the stories want of them.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::apiserver::{ApiServer, Options, complete};
use e2e::backend::{Backend, Family, Tools};
use e2e::golden::node;
use e2e::netns::Netns;
use e2e::page::Page;
use e2e::proxy::{NODE, Program, Proxy};
use e2e::wait;
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take that happens by itself.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// So long nothing happens that must not happen.
pub(crate) const A_WHILE: Duration = Duration::from_millis(700);

/// The health server and the metrics server, in the configurations of these stories.
pub(crate) const HEALTH: &str = "127.0.0.1:10256";
pub(crate) const METRICS: &str = "127.0.0.1:10249";

/// What most stories configure: everything else as upstream's defaults are. How many connections are tracked cannot be
/// set in a namespace.
pub(crate) const CONFIG: &str = "\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clusterCIDR: 10.244.0.0/16,fd00:10:244::/48
conntrack: {maxPerCore: 0}
iptables: {minSyncPeriod: 100ms}
";

/// What a commit looks like in the log.
pub(crate) const SYNCED: &str = "\"SyncProxyRules complete\"";

/// A node. The proxy ends before its namespace goes.
pub(crate) struct Stage {
    proxy: Option<Proxy>,
    pub(crate) server: ApiServer,
    pub(crate) folder: TempDir,
    pub(crate) tools: Tools,
    pub(crate) node: Netns,
}

impl Stage {
    /// A node with the addresses of the recordings, and an API server at 127.0.0.1:6443 that has no objects.
    pub(crate) fn new(backend: Backend) -> Result<Stage> {
        Stage::with(backend, Options::default())
    }

    /// The same with another API server.
    pub(crate) fn with(backend: Backend, options: Options) -> Result<Stage> {
        let node = node::namespace("daemon")?;
        let options = Options { listen: SocketAddr::from(([127, 0, 0, 1], 6443)), ..options };
        let server = node.inside(|| ApiServer::start(options))?;
        let folder = TempDir::with_prefix("kp-stage-").context("make a folder for the stage")?;
        server.write_kubeconfig(folder.path())?;
        Ok(Stage { proxy: None, server, folder, tools: Tools::new(backend)?, node })
    }

    /// Creates or changes objects, in YAML, with the defaults that a server fills in.
    pub(crate) fn set(&self, objects: &str) -> Result<()> {
        for document in serde_yaml::Deserializer::from_str(objects) {
            let object = serde::Deserialize::deserialize(document).context("read an object")?;
            self.set_one(object)?;
        }
        Ok(())
    }

    /// Creates or changes an object.
    pub(crate) fn set_one(&self, object: Value) -> Result<()> {
        self.server.set(complete(object)).map(drop)
    }

    /// Starts the proxy with a configuration file, and flags of its own.
    pub(crate) fn start(&mut self, config: &str, flags: &[&str]) -> Result<()> {
        let path = self.write_config(config)?;
        let mut words: Vec<OsString> = vec!["--config".into(), path.into(), "-v=2".into()];
        words.extend(["--hostname-override".into(), NODE.into()]);
        words.extend(flags.iter().map(OsString::from));
        self.run(&Program { words, ..Program::new()? })
    }

    /// Starts it in any other way.
    pub(crate) fn run(&mut self, program: &Program) -> Result<()> {
        self.proxy = Some(Proxy::run(&self.node, &self.tools, program)?);
        Ok(())
    }

    /// The configuration, completed with the way to the API server.
    pub(crate) fn write_config(&self, config: &str) -> Result<PathBuf> {
        let path = self.folder.path().join("config.yaml");
        let kubeconfig = self.folder.path().join("kubeconfig").display().to_string();
        let text = format!("{config}\nclientConnection: {{kubeconfig: {kubeconfig:?}}}\n");
        fs::write(&path, text).context("write the configuration")?;
        Ok(path)
    }

    /// The proxy that was started last.
    pub(crate) fn proxy(&mut self) -> Result<&mut Proxy> {
        self.proxy.as_mut().context("kube-proxy was not started")
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> Result<String> {
        self.proxy.as_ref().context("kube-proxy was not started")?.log()
    }

    /// The lines of its log that hold a text.
    pub(crate) fn lines(&self, text: &str) -> Result<Vec<String>> {
        Ok(self.log()?.lines().filter(|line| line.contains(text)).map(str::to_owned).collect())
    }

    /// Waits until its log holds a text in so many lines.
    pub(crate) fn says(&self, text: &str, lines: usize) -> Result<()> {
        wait::until(PATIENCE, || {
            let found = self.lines(text)?.len();
            ensure!(found >= lines, "{text:?} was logged {found} times, not {lines}");
            Ok(())
        })
    }

    /// Waits until both families have made so many commits.
    pub(crate) fn commits(&self, number: usize) -> Result<()> {
        Family::ALL
            .iter()
            .try_for_each(|family| self.says(&format!("{SYNCED} ipFamily=\"{family}\""), number))
    }

    /// Waits until the rules of a family hold a text, or do not.
    pub(crate) fn rules_hold(&self, family: Family, text: &str, wanted: bool) -> Result<()> {
        wait::until(PATIENCE, || {
            let rules = self.tools.save(&self.node, family)?;
            ensure!(rules.contains(text) == wanted, "{text:?} in the {family} rules: {}", !wanted);
            Ok(())
        })
    }

    /// Tells the proxy to end and waits until it has.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let status = self.proxy()?.stop()?;
        ensure!(status.success(), "kube-proxy ended with {status}");
        Ok(())
    }

    /// Waits until it has ended by itself with this code.
    pub(crate) fn ends_with(&mut self, code: i32) -> Result<()> {
        let status = self.proxy()?.ended(PATIENCE)?;
        ensure!(status.code() == Some(code), "kube-proxy ended with {status}, not {code}");
        Ok(())
    }

    /// GETs a page in the node's namespace.
    pub(crate) fn page(&self, address: &str, path: &str) -> Result<Page> {
        Page::get(&self.node, address.parse().context("an address")?, path)
    }

    /// The end of the log, for a failure.
    pub(crate) fn explained<T>(&self, result: Result<T>) -> Result<T> {
        result.with_context(|| {
            let log = self.proxy.as_ref().map_or_else(|| "(not started)".to_owned(), Proxy::log_tail);
            format!("the end of kube-proxy's log:\n{log}")
        })
    }
}
