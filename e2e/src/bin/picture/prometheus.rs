//! Turns nodes into a Prometheus that asks their daemons, and what it knows into a picture.
//!
//! Does not know any metric.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::Backend;
use e2e::command::run;
use e2e::netns::Netns;
use e2e::page::Page;
use e2e::wait;
use tempfile::TempDir;

use crate::node::{METRICS, Node};

const LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 9090);
/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running Prometheus, with cables to all nodes.
pub(crate) struct Prometheus {
    child: Child,
    _folder: TempDir,
    netns: Netns,
}

impl Prometheus {
    /// Starts it with the rules that are shipped.
    pub(crate) fn start(nodes: &[Node]) -> Result<Prometheus> {
        let netns = Netns::new("prometheus")?;
        let mut targets = String::new();
        for (number, node) in nodes.iter().enumerate() {
            let (near, far) = (format!("node{number}"), "scraper");
            netns.connect(&near, &node.netns, far)?;
            netns.ip(&format!("addr add 10.255.{number}.1/30 dev {near}"))?;
            node.netns.ip(&format!("addr add 10.255.{number}.2/30 dev {far}"))?;
            let name = match node.backend {
                Backend::Nft => "node-nft",
                Backend::Legacy => "node-legacy",
            };
            targets +=
                &format!("  - {{targets: ['10.255.{number}.2:{METRICS}'], labels: {{instance: {name}}}}}\n");
        }
        let folder = TempDir::with_prefix("kp-prometheus-").context("make a folder for Prometheus")?;
        std::fs::write(folder.path().join("rules.yaml"), rules()?).context("write the rules")?;
        let config = format!(
            "global: {{scrape_interval: 5s, evaluation_interval: 5s}}\nrule_files: [rules.yaml]\n\
             scrape_configs:\n- job_name: kube-proxy\n  static_configs:\n{targets}"
        );
        std::fs::write(folder.path().join("prometheus.yaml"), config).context("write the configuration")?;
        let mut command = netns.command("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "prometheus", "--config.file=prometheus.yaml"]);
        command.args(["--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:9090"]);
        command.current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().context("start prometheus (Debian's package prometheus)")?;
        let prometheus = Prometheus { child, _folder: folder, netns };
        wait::until(PATIENCE, || prometheus.is_ready())?;
        Ok(prometheus)
    }

    fn is_ready(&self) -> Result<()> {
        let page = Page::get(&self.netns, SocketAddr::from(LISTEN), "/-/ready")?;
        ensure!(page.code == 200, "Prometheus is not ready: {}", page.body);
        Ok(())
    }

    /// Draws what the dashboard shows of the last `period`.
    pub(crate) fn draw(&self, picture: &Path, period: Duration) -> Result<()> {
        let folder = observability();
        // Debian's own, which has matplotlib from Debian.
        let mut draw = self.netns.command("/usr/bin/python3");
        draw.arg(folder.join("draw.py")).arg(folder.join("dashboard.json")).arg(picture);
        draw.args(["http://127.0.0.1:9090", &period.as_secs().to_string()]);
        run(&mut draw).map(drop)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already; nothing is left to do about it then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The rules in the form for a Prometheus without its operator.
fn rules() -> Result<String> {
    let path = observability().join("prometheusrule.yaml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let object: serde_yaml::Value = serde_yaml::from_str(&text).context("read the rules")?;
    serde_yaml::to_string(&object["spec"]).context("write the rules")
}

fn observability() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/observability")
}
