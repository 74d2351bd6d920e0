//! Turns a backend into a node with endpoints, tools that can fail, and a daemon that can be started again.
//!
//! Does not know what fails.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::canonical::canonical;
use e2e::command::run_with_input;
use e2e::echo::Echo;
use e2e::faults::Faults;
use e2e::manifests::Manifests;
use e2e::netns::Netns;
use e2e::proxy::Proxy;
use e2e::request::{Protocol, Request};
use e2e::wait;

use crate::api::Api;
use crate::cluster::{self, Service, TARGET};

/// What goes well goes well within this time, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

const ECHO: &str = "pod";
const HEALTH: ([u8; 4], u16) = ([127, 0, 0, 1], 10256);
const METRICS: ([u8; 4], u16) = ([127, 0, 0, 1], 10249);

/// A node; its endpoints are addresses of its own, behind which one server answers.
pub(crate) struct Stage {
    pub(crate) faults: Faults,
    pub(crate) manifests: Manifests,
    sync_period: Duration,
    /// In place of the manifests.
    api: Option<Api>,
    _echo: Echo,
    pub(crate) node: Netns,
}

impl Stage {
    /// A node on which nothing runs yet.
    pub(crate) fn new(backend: Backend) -> Result<Stage> {
        let node = Netns::new("resilience")?;
        node.ip("link add d0 type veth peer name d1\nlink set d0 up\nlink set d1 up\naddr add 192.168.50.2/24 dev d0\n\
             route add default via 192.168.50.1 dev d0")?;
        for number in 0..cluster::ENDPOINTS {
            node.ip(&format!("addr add {}/32 dev d0", cluster::endpoint(number)))?;
        }
        let echo = Echo::start(&node, ECHO, TARGET)?;
        let sync_period = Duration::from_secs(30);
        Ok(Stage {
            faults: Faults::new(backend)?,
            manifests: Manifests::new()?,
            sync_period,
            api: None,
            _echo: echo,
            node,
        })
    }

    /// The same with another `syncPeriod`.
    pub(crate) fn with_sync_period(self, sync_period: Duration) -> Stage {
        Stage { sync_period, ..self }
    }

    /// The same with tools that are all that the daemon finds.
    pub(crate) fn with_tools_alone(self) -> Result<Stage> {
        Ok(Stage { faults: self.faults.alone()?, ..self })
    }

    /// The same with an API server that the daemon follows.
    pub(crate) fn with_api(self) -> Result<Stage> {
        let api = Some(Api::start(&self.node)?);
        Ok(Stage { api, ..self })
    }

    /// The API server of a stage that has one.
    pub(crate) fn api(&self) -> Result<&Api> {
        self.api.as_ref().context("this stage has no API server")
    }

    /// Starts the daemon.
    pub(crate) fn start(&self) -> Result<Proxy> {
        match &self.api {
            None => Proxy::start(&self.node, &self.faults.tools, self.manifests.path(), &self.config()),
            Some(api) => Proxy::run(&self.node, &self.faults.tools, &api.program(&self.config())?),
        }
    }

    /// Starts the daemon with a few Services that work.
    pub(crate) fn at_work(&self) -> Result<(Vec<Service>, Proxy)> {
        let services: Vec<_> = (0..3).map(cluster::service).collect();
        self.put(&services)?;
        let proxy = self.start()?;
        self.wait_for_answer(&proxy, &services[0])?;
        Ok((services, proxy))
    }

    /// The configuration of its daemons.
    pub(crate) fn config(&self) -> String {
        config(self.sync_period)
    }

    /// Replaces everything that exists.
    pub(crate) fn put<'a>(&self, services: impl IntoIterator<Item = &'a Service>) -> Result<()> {
        let manifests = cluster::manifests(services);
        match &self.api {
            None => self.manifests.put("services.yaml", &manifests),
            Some(api) => api.put(&manifests),
        }
    }

    /// All IPv4 rules, in canonical form.
    pub(crate) fn rules(&self) -> Result<String> {
        canonical(&self.faults.real.save(&self.node, Family::V4)?)
    }

    /// Waits until a rule contains this.
    pub(crate) fn wait_for_rule(&self, proxy: &Proxy, text: &str) -> Result<()> {
        wait::until(PATIENCE, || {
            ensure!(self.rules()?.contains(text), "no rule with {text}");
            Ok(())
        })
        .with_context(|| format!("the end of the log:\n{}", proxy.log_tail()))
    }

    /// Has the real iptables-restore change rules, as another program would.
    pub(crate) fn restore(&self, family: Family, input: &str) -> Result<()> {
        let mut restore = self.node.command(family.tool("-restore"));
        run_with_input(self.faults.real.equip(restore.args(["-w", "20", "--noflush"])), input).map(drop)
    }

    /// Waits until the rules are these.
    pub(crate) fn wait_for_rules(&self, proxy: &Proxy, expected: &str) -> Result<()> {
        wait::until(PATIENCE, || {
            let rules = self.rules()?;
            ensure!(rules == expected, "other rules:\n{}", e2e::canonical::diff(expected, &rules));
            Ok(())
        })
        .with_context(|| format!("the end of the log:\n{}", proxy.log_tail()))
    }

    /// Fails unless the Service answers a connection.
    pub(crate) fn expect_answer(&self, service: &Service) -> Result<()> {
        let answer = Request::new(Protocol::Tcp, service.address()).ask(&self.node)?;
        ensure!(answer.server() == Some(ECHO), "{} at {}: {answer}", service.name, service.address());
        Ok(())
    }

    /// Waits until it does.
    pub(crate) fn wait_for_answer(&self, proxy: &Proxy, service: &Service) -> Result<()> {
        wait::until(PATIENCE, || self.expect_answer(service))
            .with_context(|| format!("the end of the log:\n{}", proxy.log_tail()))
    }

    /// Waits until `/livez` answers with this status.
    pub(crate) fn wait_for_health(&self, status: u16) -> Result<()> {
        wait::until(PATIENCE, || {
            let answer = self.get(HEALTH, "/livez")?;
            ensure!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "not {status}: {answer}");
            Ok(())
        })
    }

    /// The value of a sample on the metrics page, named with its labels.
    pub(crate) fn metric(&self, sample: &str) -> Result<f64> {
        let page = self.get(METRICS, "/metrics")?;
        let line = page.lines().find_map(|line| line.strip_prefix(sample));
        let value = line.with_context(|| format!("no {sample} on the page"))?;
        value.trim().parse().with_context(|| format!("{sample}: {value}"))
    }

    fn get(&self, address: ([u8; 4], u16), path: &str) -> Result<String> {
        let answer = self.node.inside(|| -> std::io::Result<String> {
            let mut stream = TcpStream::connect(SocketAddr::from(address))?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            write!(stream, "GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        });
        answer.with_context(|| format!("get {path}"))
    }
}

/// What daemons are configured with. How many connections are tracked cannot be set in a namespace.
pub(crate) fn config(sync_period: Duration) -> String {
    format!(
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: iptables\n\
         clusterCIDR: 10.244.0.0/16\nhealthzBindAddress: 127.0.0.1:10256\n\
         metricsBindAddress: 127.0.0.1:10249\nconntrack: {{maxPerCore: 0}}\n\
         iptables: {{syncPeriod: {}s}}\n",
        sync_period.as_secs()
    )
}

/// The rules that a daemon writes for these Services where nothing was before.
pub(crate) fn from_scratch<'a>(
    backend: Backend,
    services: impl IntoIterator<Item = &'a Service> + Clone,
) -> Result<String> {
    let stage = Stage::new(backend)?;
    stage.put(services)?;
    let proxy = stage.start()?;
    proxy.wait_for_log(PATIENCE, "SyncProxyRules complete\" ipFamily=\"IPv4\"")?;
    stage.rules()
}
