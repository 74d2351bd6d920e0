//! Turns one case into a verdict: a fresh namespace, the real binary, every step, and the rules that come of it.
//!
//! Does not know how many cases there are or how they are reported.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_yaml::Value;

use super::case::{Case, Document, Step};
use super::node;
use crate::backend::{Backend, Family, Tools};
use crate::canonical::{canonical, diff};
use crate::manifests::Manifests;
use crate::merge::merge;
use crate::netns::Netns;
use crate::proxy::Proxy;
use crate::source::{Kind, Source};
use crate::wait;

/// How long the rules of a step may take to become the expected ones.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long they are left alone before they are compared once more.
const SETTLE: Duration = Duration::from_millis(300);

/// Runs the case.
///
/// # Errors
/// The first difference, as a diff, with the end of the proxy's log.
pub fn run(case: &Case, backend: Backend, source: Kind) -> Result<()> {
    let mut stage = Stage::new(backend, source)?;
    for (index, step) in case.steps.iter().enumerate() {
        let taken = stage.take(case, step);
        taken.map_err(|error| stage.explained(error)).with_context(|| format!("step {}", index + 1))?;
    }
    let last = case.steps.last().expect("a case has a first step");
    stage.finish(case, last).map_err(|error| stage.explained(error)).context("at the end")
}

/// What a case runs on. The proxy ends before its namespace goes.
struct Stage {
    proxy: Option<Proxy>,
    source: Option<Source>,
    kind: Kind,
    manifests: Manifests,
    files: BTreeMap<(String, String, String), String>,
    node: Value,
    tools: Tools,
    netns: Netns,
}

impl Stage {
    fn new(backend: Backend, kind: Kind) -> Result<Stage> {
        let stage = Stage {
            proxy: None,
            source: None,
            kind,
            manifests: Manifests::new()?,
            files: BTreeMap::new(),
            node: node::object(),
            tools: Tools::new(backend)?,
            netns: node::namespace("golden")?,
        };
        stage.put_node()?;
        Ok(stage)
    }

    /// Applies one step and waits for its rules. The first step finds everything in place when the proxy starts.
    fn take(&mut self, case: &Case, step: &Step) -> Result<()> {
        for document in &step.documents {
            self.apply(document)?;
        }
        if self.proxy.is_none() {
            let source = self.source.insert(Source::of(self.kind, self.manifests.path(), &self.netns)?);
            self.proxy = Some(Proxy::follow(&self.netns, &self.tools, source, &case.config)?);
        }
        wait::until(DEADLINE, || match self.is_running() {
            Ok(()) => self.compare(step).map(Ok),
            ended => Ok(ended), // nothing to wait for
        })??;
        sleep(SETTLE);
        self.compare(step).context("equal for a moment only")?;
        self.is_running()
    }

    /// Checks the sysctls, then that the proxy ends when told to and leaves its rules.
    fn finish(&mut self, case: &Case, last: &Step) -> Result<()> {
        wait::until(DEADLINE, || self.compare_sysctls(case))?;
        let status = self.proxy.as_mut().expect("the first step started it").stop()?;
        ensure!(status.success(), "kube-proxy ended with {status}");
        self.compare(last).context("after kube-proxy has ended")
    }

    fn apply(&mut self, document: &Document) -> Result<()> {
        if document.kind == "Node" {
            merge(&mut self.node, &document.value);
            return self.put_node();
        }
        let key = (document.kind.clone(), document.namespace.clone(), document.name.clone());
        // Numbered, because a file's name may not be as long as an object's.
        let number = self.files.len();
        let file = self.files.entry(key).or_insert_with(|| format!("{number:03}.yaml"));
        if document.deletes() {
            self.manifests.remove(file)
        } else {
            self.manifests.put(file, &document.text)
        }
    }

    fn put_node(&self) -> Result<()> {
        let text = serde_yaml::to_string(&self.node).context("write the Node")?;
        self.manifests.put("node.yaml", &text)
    }

    fn is_running(&mut self) -> Result<()> {
        self.proxy.as_mut().context("kube-proxy was not started")?.is_running()
    }

    fn compare(&self, step: &Step) -> Result<()> {
        for family in Family::ALL {
            let found = canonical(&self.tools.save(&self.netns, family)?)?;
            let expected = step.expected(family);
            ensure!(found == expected, "{family} rules differ\n{}", diff(expected, &found));
        }
        Ok(())
    }

    fn compare_sysctls(&self, case: &Case) -> Result<()> {
        for (name, expected) in &case.sysctls {
            let found = self.netns.sysctl(name)?;
            if found != *expected {
                bail!("{name} is {found}, expected {expected}");
            }
        }
        Ok(())
    }

    fn explained(&self, error: anyhow::Error) -> anyhow::Error {
        let log = self.proxy.as_ref().map_or_else(|| "(not started)".to_owned(), Proxy::log_tail);
        anyhow::anyhow!("{error:#}\nthe end of kube-proxy's log:\n{log}")
    }
}
