//! Turns the life of one pod, from its init container to the clean-up of its node, into a verdict.
//!
//! Does not know how containers are run.

use std::fs;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::Backend;
use e2e::wait;

use crate::containerd::{Container, Containerd};
use crate::node::{Deployment, Node};
use crate::pod::{self, Place, Pod};
use crate::process::{Privileges, mask, privileges};

/// How long something may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const HEALTH: u16 = 10256;
const METRICS: u16 = 10249;

/// What is tried.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) containerd: &'a Containerd,
    pub(crate) image: &'a str,
    /// Whose pod it is.
    pub(crate) name: &'a str,
    pub(crate) pod: &'a Pod,
    pub(crate) deployment: &'a Deployment,
}

struct Stage<'a> {
    containerd: &'a Containerd,
    image: &'a str,
    name: &'a str,
    pod: &'a Pod,
    node: Node,
    backend: Backend,
    place: Place,
}

pub(crate) fn life(subject: Subject, backend: Backend) -> Result<()> {
    let Subject { containerd, image, name, pod, deployment } = subject;
    let node = Node::new(backend, deployment)?;
    let place = node.place()?;
    let stage = Stage { containerd, image, name, pod, node, backend, place };
    stage.node.set_endpoints(&["10.244.0.5"])?;
    if let Some(init) = pod.init() {
        stage.init(init)?;
    }
    let container = stage.start()?;
    let served = stage.served(&container).and_then(|()| stage.permitted());
    let served = served.and_then(|()| stage.restricted(&container));
    served.with_context(|| stage.log())?;
    let status = container.stop()?;
    ensure!(status == 0, "it ended with {status}:\n{}", stage.log());
    ensure!(stage.node.rules()?.contains(":KUBE-SERVICES "), "the rules went with the pod");
    stage.clean_up()
}

impl Stage<'_> {
    /// The init container sets the sysctl that the main one cannot, and writes no rules.
    fn init(&self, container: &pod::Container) -> Result<()> {
        let sysctl = "net.ipv4.conf.all.route_localnet";
        ensure!(self.node.netns.sysctl(sysctl)? == "0", "{sysctl} is set before anything ran");
        let log = succeeded(&self.run(
            "init",
            pod::arguments(container, &self.place)?,
            self.command(container, &[])?,
        )?)?;
        ensure!(log.contains("System initialized and --init-only specified"), "{log}");
        ensure!(self.node.netns.sysctl(sysctl)? == "1", "{sysctl} is not set:\n{log}");
        ensure!(!self.node.rules()?.contains("KUBE-SERVICES"), "rules are written:\n{log}");
        Ok(())
    }

    fn start(&self) -> Result<Container<'_>> {
        let container = self.pod.main()?;
        let (arguments, command) = (pod::arguments(container, &self.place)?, self.command(container, &[])?);
        self.containerd.start_container(&self.id("main"), &self.node.file("log"), &arguments, &command)
    }

    /// First sync, health, metrics, and a change that comes over the watch.
    fn served(&self, container: &Container) -> Result<()> {
        for rule in
            ["10.96.0.10/32", "fd00:10:96::10/128", "10.244.0.5:8080", "[fd00:10:244::5]:8080", "31080"]
        {
            self.has_rule(container, rule)?;
        }
        ensure!(!self.node.other_rules()?.contains("KUBE-"), "the other backend is written to");
        for path in ["/livez", "/healthz"] {
            wait::until(PATIENCE, || {
                let page = self.node.page(HEALTH, path)?;
                ensure!(page.starts_with("HTTP/1.1 200 "), "{path}: {page}");
                Ok(())
            })?;
        }
        // A sync is counted when it is over; its rules can be seen before.
        wait::until(PATIENCE, || self.counted())?;
        self.node.set_endpoints(&["10.244.0.5", "10.244.0.6"])?;
        self.has_rule(container, "10.244.0.6:8080")
    }

    fn counted(&self) -> Result<()> {
        let metrics = self.node.page(METRICS, "/metrics")?;
        for family in ["IPv4", "IPv6"] {
            let count =
                format!("kubeproxy_sync_proxy_rules_duration_seconds_count{{ip_family=\"{family}\"}}");
            let line = metrics.lines().find(|line| line.starts_with(&count));
            ensure!(line.is_some_and(|line| !line.ends_with(" 0")), "{family}: {line:?}\n{metrics}");
        }
        Ok(())
    }

    fn has_rule(&self, container: &Container, text: &str) -> Result<()> {
        wait::until(PATIENCE, || {
            container.pid()?;
            let rules = self.node.rules()?;
            ensure!(rules.contains(text), "no rule with {text}:\n{rules}");
            Ok(())
        })
    }

    /// The ServiceAccount may do all that is asked for; the Event of the start was taken.
    fn permitted(&self) -> Result<()> {
        let metrics = wait::until(PATIENCE, || {
            let metrics = self.node.page(METRICS, "/metrics")?;
            let posted = |line: &&str| line.contains("code=\"201\"") && line.contains("method=\"POST\"");
            ensure!(answers(&metrics).any(|line| posted(&line)), "no Event was taken:\n{metrics}");
            Ok(metrics)
        })?;
        let refused: Vec<&str> = answers(&metrics).filter(|line| line.contains("code=\"403\"")).collect();
        ensure!(refused.is_empty(), "the API server refused: {refused:#?}");
        Ok(())
    }

    /// The kernel was told what the manifest says.
    fn restricted(&self, container: &Container) -> Result<()> {
        let security = self.pod.main()?.security_context.clone().unwrap_or_default();
        if security.privileged == Some(true) {
            let found = privileges(container.pid()?)?;
            let is_free = !(found.is_final || found.is_filtered || found.has_read_only_root);
            ensure!(
                is_free && found.capabilities[0] == found.capabilities[2],
                "{found:x?} is not privileged"
            );
            return Ok(());
        }
        let capabilities = mask(&security.capabilities.and_then(|set| set.add).unwrap_or_default())?;
        let expected = Privileges {
            capabilities: [capabilities; 3],
            is_final: true,
            is_filtered: true,
            has_read_only_root: true,
        };
        let found = privileges(container.pid()?)?;
        ensure!(found == expected, "{found:x?} in place of {expected:x?}");
        Ok(())
    }

    /// As an operator would: the pod's container, with one word more.
    fn clean_up(&self) -> Result<()> {
        let container = self.pod.main()?;
        let command = self.command(container, &["--cleanup"])?;
        succeeded(&self.run("cleanup", pod::arguments(container, &self.place)?, command)?)?;
        let rules = self.node.rules()?;
        let is_ours = |line: &&str| line.contains("KUBE-") && !line.contains("KUBE-IPTABLES-HINT");
        let left: Vec<&str> =
            rules.lines().filter(is_ours).filter(|line| !line.contains("KUBE-FIREWALL")).collect();
        ensure!(left.is_empty(), "left after --cleanup: {left:#?}");
        ensure!(rules.contains(":KUBE-IPTABLES-HINT "), "the kubelet's chain is gone");
        Ok(())
    }

    fn run(&self, name: &str, arguments: Vec<String>, command: Vec<String>) -> Result<Output> {
        self.containerd.run(&self.id(name), &arguments, &command)
    }

    /// The image, and what runs in it.
    fn command(&self, container: &pod::Container, more: &[&str]) -> Result<Vec<String>> {
        let mut command = vec![self.image.to_owned()];
        command.extend(pod::command(container, &self.place)?);
        command.extend(more.iter().map(|word| (*word).to_owned()));
        Ok(command)
    }

    fn id(&self, name: &str) -> String {
        format!("{}-{name}-{}", self.name, self.backend)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.node.file("log")).unwrap_or_default()
    }
}

/// The lines about answers of the API server.
fn answers(metrics: &str) -> impl Iterator<Item = &str> {
    metrics.lines().filter(|line| line.starts_with("rest_client_requests_total{"))
}

fn succeeded(output: &Output) -> Result<String> {
    let log = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let log = String::from_utf8_lossy(&log).into_owned();
    ensure!(output.status.success(), "{}:\n{log}", output.status);
    Ok(log)
}
