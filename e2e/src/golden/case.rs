//! Turns the files of a recorded case into the steps to take and the rules and sysctls to find.
//!
//! Does not know how the steps are taken.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_yaml::{Mapping, Value};

use super::node;
use crate::backend::Family;
use crate::merge::merge;

/// One recorded case.
#[derive(Debug)]
pub struct Case {
    /// The name of its folder.
    pub name: String,
    /// The KubeProxyConfiguration to run with.
    pub(super) config: String,
    pub(super) steps: Vec<Step>,
    /// Names and values after the last step.
    pub(super) sysctls: Vec<(String, String)>,
}

/// Changes to apply, and the rules that they lead to.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) documents: Vec<Document>,
    expected_v4: String,
    expected_v6: String,
}

/// One document of an objects file.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    /// Exactly as it stands in the file, so that the proxy reads every odd spelling itself.
    pub(super) text: String,
    pub(super) value: Value,
}

impl Step {
    pub(super) fn expected(&self, family: Family) -> &str {
        match family {
            Family::V4 => &self.expected_v4,
            Family::V6 => &self.expected_v6,
        }
    }
}

impl Document {
    /// Whether the document only says that its object is gone.
    pub(super) fn deletes(&self) -> bool {
        self.value["metadata"]["annotations"]["golden/delete"] == "true"
    }
}

/// The folders of all cases in `folder`, by name.
///
/// # Errors
/// If the folder cannot be listed or holds no case.
pub fn cases(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let mut cases: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    ensure!(!cases.is_empty(), "no cases in {}", folder.display());
    cases.sort();
    Ok(cases)
}

impl Case {
    /// Reads the case in a folder.
    ///
    /// # Errors
    /// If a file is missing or is not what the case's form asks for.
    pub fn read(folder: &Path) -> Result<Case> {
        let name = folder.file_name().context("a case has a name")?.to_string_lossy().into_owned();
        let mut steps = vec![step(folder, "")?];
        while folder.join(format!("objects.{}.yaml", steps.len() + 1)).exists() {
            let number = format!(".{}", steps.len() + 1);
            steps.push(step(folder, &number)?);
        }
        let config = configuration(&read(folder, "config.yaml")?)?;
        let sysctls = sysctls(&read(folder, "sysctls.txt")?)?;
        Ok(Case { name, config, steps, sysctls })
    }

    /// The KubeProxyConfiguration to run with.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// The objects of the first step, the Node with its patches among them.
    pub fn objects(&self) -> Vec<Value> {
        let mut node = node::object();
        let mut objects = Vec::new();
        for document in &self.steps[0].documents {
            match document.kind.as_str() {
                "Node" => merge(&mut node, &document.value),
                _ => objects.push(document.value.clone()),
            }
        }
        objects.push(node);
        objects
    }

    /// The rules that were recorded after the first step.
    pub fn recorded(&self, family: Family) -> &str {
        self.steps[0].expected(family)
    }
}

fn step(folder: &Path, number: &str) -> Result<Step> {
    let objects = format!("objects{number}.yaml");
    Ok(Step {
        documents: documents(&read(folder, &objects)?).context(objects)?,
        expected_v4: read(folder, &format!("expected{number}.v4"))?,
        expected_v6: read(folder, &format!("expected{number}.v6"))?,
    })
}

fn read(folder: &Path, name: &str) -> Result<String> {
    let path = folder.join(name);
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

fn documents(text: &str) -> Result<Vec<Document>> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        if line.trim_end() == "---" {
            parts.push(String::new());
        } else {
            let part = parts.last_mut().expect("there is a first part");
            part.push_str(line);
            part.push('\n');
        }
    }
    parts.into_iter().map(document).filter_map(Result::transpose).collect()
}

/// `None` for an empty document.
fn document(text: String) -> Result<Option<Document>> {
    let value: Value = serde_yaml::from_str(&text).with_context(|| format!("read YAML:\n{text}"))?;
    if value.is_null() {
        return Ok(None);
    }
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let kind = word(&value["kind"]).context("a document has a kind")?;
    let name = word(&value["metadata"]["name"]).context("an object has a name")?;
    let namespace = word(&value["metadata"]["namespace"]).unwrap_or_default();
    Ok(Some(Document { kind, namespace, name, text, value }))
}

/// The recorded configuration, with what a test run adds to it where the case says nothing.
fn configuration(text: &str) -> Result<String> {
    let mut config: Mapping = serde_yaml::from_str(text).context("config.yaml")?;
    section(&mut config, "iptables").entry("minSyncPeriod".into()).or_insert("100ms".into());
    // The number of conntrack entries belongs to the host and cannot be set in a namespace.
    section(&mut config, "conntrack").entry("maxPerCore".into()).or_insert(0.into());
    config.entry("healthzBindAddress".into()).or_insert("127.0.0.1:10256".into());
    config.entry("metricsBindAddress".into()).or_insert("127.0.0.1:10249".into());
    serde_yaml::to_string(&config).context("config.yaml")
}

/// A section of the configuration, made if it is missing or empty.
fn section<'a>(config: &'a mut Mapping, name: &str) -> &'a mut Mapping {
    let section = config.entry(name.into()).or_insert(Value::Null);
    if section.is_null() {
        *section = Value::Mapping(Mapping::new());
    }
    section.as_mapping_mut().unwrap_or_else(|| panic!("{name} of the configuration is a map"))
}

fn sysctls(text: &str) -> Result<Vec<(String, String)>> {
    let pair = |line: &str| {
        let (name, value) = line.split_once(" = ").with_context(|| format!("not a sysctl: {line}"))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    text.lines().map(pair).collect()
}

#[cfg(test)]
mod tests;
