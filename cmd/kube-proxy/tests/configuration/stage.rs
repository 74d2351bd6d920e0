//! A folder, the real binary at work in it, and how it ends.
//!
//! Knows nothing of what fields and flags mean.
#![expect(clippy::disallowed_methods, reason = "runs the daemon")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_yaml::Value;
use tempfile::TempDir;

const HEAD: &str = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

/// A folder for files, and the runs that write into it.
pub(crate) struct Stage {
    pub(crate) folder: TempDir,
}

/// How a run has ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// What it has written.
    pub(crate) written: Option<String>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::with_prefix("kp-configuration-").unwrap() }
    }

    pub(crate) fn written(&self) -> PathBuf {
        self.folder.path().join("written.yaml")
    }

    /// Runs with these words, and with the one that makes it write and end.
    pub(crate) fn run(&self, words: &[&str]) -> End {
        let write = format!("--write-config-to={}", self.written().display());
        self.run_as_told(&[&[write.as_str()], words].concat())
    }

    /// Runs with these words; whoever calls sees to it that they make it end.
    pub(crate) fn run_as_told(&self, words: &[&str]) -> End {
        let _none = fs::remove_file(self.written());
        let output = Command::new(env!("CARGO_BIN_EXE_kube-proxy"))
            .args(words)
            // Should it go on by mistake, it finds no tool.
            .env_clear()
            .env("PATH", "/nonexistent")
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        End {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            written: fs::read_to_string(self.written()).ok(),
        }
    }

    /// Runs with a file of these fields.
    pub(crate) fn run_with_file(&self, fields: &str, words: &[&str]) -> End {
        let path = self.folder.path().join("config.yaml");
        fs::write(&path, format!("{HEAD}{fields}")).unwrap();
        let config = format!("--config={}", path.display());
        self.run(&[&[config.as_str()], words].concat())
    }
}

impl End {
    /// The fields that were written, each with its value as JSON.
    #[track_caller]
    pub(crate) fn fields(&self) -> BTreeMap<String, String> {
        assert_eq!(self.code, Some(0), "{self:#?}");
        let written = self.written.as_ref().unwrap_or_else(|| panic!("nothing was written: {self:#?}"));
        let mut fields = BTreeMap::new();
        collect("", serde_yaml::from_str(written).unwrap(), &mut fields);
        fields
    }

    /// It has ended with 1, after a log line with exactly this error.
    #[track_caller]
    pub(crate) fn failed(&self, error: &str) {
        let line = format!("\"command failed\" err={error:?}");
        let is_logged = self.stderr.lines().any(|found| found.starts_with('E') && found.ends_with(&line));
        assert!(is_logged && self.code == Some(1), "want: {line}\n{self:#?}");
        assert_eq!((self.stdout.as_str(), &self.written), ("", &None));
    }

    /// It has ended with 1, after the usage and exactly this error.
    #[track_caller]
    pub(crate) fn refused(&self, error: &str) {
        let end = format!("\n\nError: {error}\n");
        let is_told = self.stderr.contains("\nUsage:") && self.stderr.ends_with(&end);
        assert!(is_told && self.code == Some(1), "want: {end}\n{self:#?}");
        assert_eq!((self.stdout.as_str(), &self.written), ("", &None));
    }
}

/// Every field that is no object; lists and the map of gates are one field each.
fn collect(path: &str, value: Value, fields: &mut BTreeMap<String, String>) {
    if let (Value::Mapping(map), true) = (&value, path != "featureGates") {
        for (key, value) in map {
            let key = key.as_str().unwrap();
            let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            collect(&path, value.clone(), fields);
        }
    } else if !matches!(path, "apiVersion" | "kind") {
        fields.insert(path.to_owned(), serde_json::to_string(&value).unwrap());
    }
}

/// The rows of a table: six columns, a line each.
pub(crate) fn rows(table: &'static str) -> Vec<[&'static str; 6]> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let row = |line: &'static str| line.split(" | ").collect::<Vec<_>>().try_into();
    lines.map(|line| row(line).unwrap_or_else(|_| panic!("not six columns: {line}"))).collect()
}
