//! Turns a history into a stage for it: a daemon on its host, with an API server.
//!
//! Does not know what is right after what happens there; that it happens is in `event`.

mod event;

use std::ffi::OsString;
use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use e2e::apiserver::{ApiServer, Kind, Options};
use e2e::backend::{Backend, Family, Tools};
use e2e::cluster::Hosts;
use e2e::proxy::{NODE, Program, Proxy};
use proxier::host;
use proxier::option::Host;
use serde_json::Value;
use tempfile::TempDir;

use crate::fault::{self, Vandal};
use crate::history::History;
use crate::object;
use event::End;

const KUBE_PROXY: &str = "\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clusterCIDR: 10.244.0.0/16,fd00:10:244::/48
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
conntrack: {maxPerCore: 0}
";

/// What the daemon logs after each sync.
const SYNCED: &str = "SyncProxyRules complete";

/// A daemon on its host, with an API server. The daemon ends before what it needs.
pub(crate) struct Stage {
    proxy: Option<Proxy>,
    pub(crate) server: ApiServer,
    credentials: TempDir,
    pub(crate) hosts: Hosts,
    tools: Tools,
    backend: Backend,
    /// What ends later.
    ends: Vec<(Instant, End)>,
    /// The last lines of the logs of daemons that were killed.
    logs: Vec<String>,
    /// Whether a tool failed since the daemon was started: it may have ended for that before its first sync.
    is_excused: bool,
    /// What was picked for faults that pick.
    pub(crate) picked: Vec<String>,
    /// Faults that the daemon has met by now, as far as that shows only when they end.
    pub(crate) met: Vec<&'static str>,
}

impl Stage {
    /// Starts everything; the rules are not there yet.
    pub(crate) fn new(history: &History) -> Result<Stage> {
        let hosts = Hosts::new()?;
        let server = hosts.node.inside(|| ApiServer::start(Options::default()))?;
        let mut objects = vec![object::node()];
        objects.extend(object::kept());
        objects.extend((0..history.crowd).flat_map(object::crowd));
        for object in objects {
            server.set(object)?;
        }
        let credentials = TempDir::with_prefix("kp-api-").context("make a folder for credentials")?;
        server.write_kubeconfig(credentials.path())?;
        let tools = fault::scripted(history.backend)?;
        let mut stage = Stage {
            proxy: None,
            server,
            credentials,
            hosts,
            tools,
            backend: history.backend,
            ends: Vec::new(),
            logs: Vec::new(),
            is_excused: false,
            picked: Vec::new(),
            met: Vec::new(),
        };
        stage.start()?;
        Ok(stage)
    }

    /// What every daemon is configured with.
    pub(crate) fn config(backend: Backend) -> String {
        // Where the kernel tells of foreign changes, nothing else is to notice them.
        let sync_period = match backend {
            Backend::Nft => "30s",
            Backend::Legacy => "1s",
        };
        format!("{KUBE_PROXY}iptables: {{minSyncPeriod: 100ms, syncPeriod: {sync_period}}}\n")
    }

    fn start(&mut self) -> Result<()> {
        let kubeconfig = self.credentials.path().join("kubeconfig").display().to_string();
        let config =
            format!("{}clientConnection: {{kubeconfig: {kubeconfig:?}}}\n", Self::config(self.backend));
        let file = self.credentials.path().join("config.yaml");
        fs::write(&file, config).context("write the configuration")?;
        let mut words = vec![OsString::from("--config"), file.into()];
        words.extend(["--hostname-override", NODE, "-v=2"].map(OsString::from));
        let program = Program { words, ..Program::new()? };
        self.proxy = Some(Proxy::run(&self.hosts.node, &self.tools, &program)?);
        self.is_excused = self.ends.iter().any(|(_, end)| matches!(end, End::Heal | End::Release { .. }));
        Ok(())
    }

    fn kill(&mut self) {
        if let Some(proxy) = self.proxy.take() {
            self.logs.push(proxy.log().unwrap_or_default());
        }
    }

    /// Says something that differs after each round. A watch may be late, and what it has not heard of yet may be
    /// right by chance.
    pub(crate) fn mark(&self, round: u16) -> Result<()> {
        object::marker(round).into_iter().try_for_each(|object| self.server.set(object).map(drop))
    }

    /// Starts the daemon again if it has ended and may have: before its first sync, because a tool failed meanwhile.
    pub(crate) fn revive(&mut self) -> Result<()> {
        let proxy = self.proxy.as_mut().context("kube-proxy was not started")?;
        let ended = proxy.is_running();
        match ended {
            Err(_) if self.is_excused && !proxy.log()?.contains(SYNCED) => {
                self.kill();
                self.start()
            }
            other => other,
        }
    }

    /// All rules of a family.
    pub(crate) fn save(&self, family: Family) -> Result<String> {
        let lock = self.tools.lock();
        Vandal { node: &self.hosts.node, backend: self.backend, lock: &lock }.save(family)
    }

    /// The objects there are.
    pub(crate) fn objects(&self) -> Vec<Value> {
        [Kind::Node, Kind::Service, Kind::EndpointSlice]
            .into_iter()
            .flat_map(|kind| self.server.list(kind))
            .collect()
    }

    /// What the rules depend on besides the objects.
    pub(crate) fn host(&self) -> Result<Host> {
        let look = || {
            let mut host = Host { addresses: host::addresses()?, ..Host::default() };
            host::ensure_counters(&mut host);
            anyhow::Ok(host)
        };
        self.hosts.node.inside(look)
    }

    /// Fails if a daemon ended in a way that none may.
    pub(crate) fn no_panic(&self) -> Result<()> {
        let running = self.proxy.as_ref().map(Proxy::log).transpose()?;
        let panicked = |log: &&String| log.contains("panicked at");
        ensure!(!self.logs.iter().chain(&running).any(|log| panicked(&log)), "kube-proxy panicked");
        Ok(())
    }

    /// The end of what the daemons logged.
    pub(crate) fn log_tail(&self) -> String {
        let running = self.proxy.as_ref().and_then(|proxy| proxy.log().ok());
        let logs: Vec<&String> = self.logs.iter().chain(&running).collect();
        let lines: Vec<&str> =
            logs.iter().flat_map(|log| log.lines()).filter(|line| !line.contains("FLAG")).collect();
        lines[lines.len().saturating_sub(120)..].join("\n")
    }
}
