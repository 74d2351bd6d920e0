//! Turns the tree and the compiler into what the program can tell about its build.
//!
//! Two builds of one commit say the same: the date is `SOURCE_DATE_EPOCH`, or else that of the commit. What
//! cannot be learned, as without git, stays empty.
#![expect(clippy::disallowed_methods, reason = "a build script: it asks git and the compiler")]

use std::env;
use std::process::Command;

/// What the program is made from, seen from this folder.
const SOURCES: [&str; 4] = ["src", "build.rs", "../../crates", "../../Cargo.lock"];

fn main() {
    SOURCES.iter().for_each(|path| println!("cargo::rerun-if-changed={path}"));
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    for path in ["HEAD", "logs/HEAD"].map(|name| git(&["rev-parse", "--git-path", name])) {
        if let Some(path) = path.filter(|path| std::fs::exists(path).unwrap_or(false)) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "--verify", "HEAD"]);
    let state = commit.as_ref().and_then(|_| tree_state());
    let seconds = env::var("SOURCE_DATE_EPOCH").ok().or_else(|| git(&["log", "-1", "--format=%ct"]));
    let toolchain = answer(&env::var("RUSTC").unwrap_or_default(), &["--version"]);
    for (name, value) in [
        ("BUILD_COMMIT", commit),
        ("BUILD_TREE_STATE", state),
        ("BUILD_SECONDS", seconds),
        ("BUILD_TOOLCHAIN", toolchain),
    ] {
        println!("cargo::rustc-env={name}={}", value.unwrap_or_default());
    }
}

/// Whether the program is made from the commit as it is.
fn tree_state() -> Option<String> {
    let changed = answer("git", &[&["status", "--porcelain", "--"], SOURCES.as_slice()].concat())?;
    Some(if changed.is_empty() { "clean" } else { "dirty" }.to_owned())
}

fn git(arguments: &[&str]) -> Option<String> {
    answer("git", arguments).filter(|text| !text.is_empty())
}

/// What the program prints, if it ends well.
fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
