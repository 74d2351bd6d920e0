//! Turns arguments into what the program says.
#![expect(clippy::disallowed_methods, reason = "runs the program")]

use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) fn kpctl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kpctl"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Its exit code, what it prints, and what it says beside that.
pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = kpctl(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// A directory with one file.
pub(crate) fn manifests(text: &str) -> TempDir {
    let folder = TempDir::with_prefix("kpctl-").unwrap();
    std::fs::write(folder.path().join("objects.yaml"), text).unwrap();
    folder
}
