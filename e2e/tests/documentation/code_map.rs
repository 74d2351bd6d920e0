//! The code map names every module of every crate, and every program of the tests.
//!
//! Only whether it does: what it says of them is for those who read it.

use std::fs;

use super::{place, text};

const PAGE: &str = "docs/ARCHITECTURE.md";
/// Each crate as the map calls it, and the file that declares its modules.
const CRATES: [(&str, &str); 7] = [
    ("crates/config", "src/lib.rs"),
    ("crates/informer", "src/lib.rs"),
    ("crates/proxier", "src/lib.rs"),
    ("crates/conntrack", "src/lib.rs"),
    ("cmd/kube-proxy", "src/main.rs"),
    ("cmd/kpctl", "src/main.rs"),
    ("e2e", "src/lib.rs"),
];

#[test]
fn every_module_is_named() {
    let mut seen = 0;
    for (name, root) in CRATES {
        let entry = entry(name);
        let source = text(&format!("{name}/{root}"));
        for module in source.lines().filter_map(module) {
            seen += 1;
            assert!(names(&entry, module), "{PAGE}, {name}: nothing is said of `{module}`");
        }
    }
    assert!(seen > 100, "only {seen} modules were found");
}

#[test]
fn every_program_is_named() {
    let entry = entry("e2e");
    let programs = fs::read_dir(place("e2e/src/bin")).expect("the folder of programs can be listed");
    for program in programs {
        let path = program.expect("the folder of programs can be listed").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("names are ASCII");
        assert!(names(&entry, name), "{PAGE}, e2e: nothing is said of `{name}`");
    }
}

/// What the map says of a crate: up to the next one, which begins a line in bold.
fn entry(name: &str) -> String {
    let page = text(PAGE);
    let start = format!("\n**`{name}`**");
    let (_, rest) = page.split_once(&start).unwrap_or_else(|| panic!("{PAGE} says nothing of {name}"));
    let end = rest.find("\n**").or_else(|| rest.find("\n## ")).expect("another heading follows");
    rest[..end].to_owned()
}

/// The module that a line declares.
fn module(line: &str) -> Option<&str> {
    let declared = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "))?;
    declared.strip_suffix(';')
}

fn names(entry: &str, module: &str) -> bool {
    entry.contains(&format!("`{module}`"))
}
