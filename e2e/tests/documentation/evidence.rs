//! The tests that pages name as evidence exist.
//!
//! Only whether they do: what they prove is for those who read them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{place, text};

/// The pages whose claims name tests.
const PAGES: [&str; 2] = ["docs/parity.md", "docs/reliability.md"];
/// Where test functions are.
const FOLDERS: [&str; 3] = ["crates", "cmd", "e2e"];
/// What only looks like a test function: metrics.
const METRIC: &str = "kubeproxy_";

#[test]
fn every_test_that_is_named_exists() {
    let functions = functions();
    let stories = text("e2e/src/bin/resilience/main.rs");
    let mut seen = 0;
    for page in PAGES {
        for name in evidence(&text(page)) {
            seen += 1;
            let exists = match name.split_once('/') {
                Some(("golden", case)) => place(&format!("e2e/golden/{case}")).is_dir(),
                Some(("traced", case)) => {
                    place(&format!("crates/proxier/tests/spec/packets/{case}.yaml")).exists()
                }
                Some((program @ ("packets" | "daemon"), file)) => {
                    place(&format!("e2e/src/bin/{program}/{file}.rs")).exists()
                }
                Some(("resilience", story)) => stories.contains(&format!("(\"{story}\"")),
                Some(_) => place(&name).exists(),
                None => functions.contains(&name),
            };
            assert!(exists, "{page}: there is no {name}");
        }
    }
    assert!(seen > 200, "only {seen} names were found");
}

/// What stands in backquotes and is neither a pattern nor a command: at the end of the rows of tables, and what can be
/// nothing but the name of a test elsewhere.
fn evidence(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in page.lines() {
        let row = line.strip_suffix(" |").and_then(|row| row.rsplit_once("| "));
        let (rest, last) = row.unwrap_or((line, ""));
        let is_story = |name: &str| name.starts_with("resilience/");
        let is_sure = |name: &str| is_story(name) || name.matches('_').count() > 1 && is_function(name);
        found.extend(quoted(rest).filter(|name| is_sure(name)).map(str::to_owned));
        let is_name =
            |name: &str| is_story(name) || is_function(name) || name.contains('/') && !name.contains(' ');
        found.extend(quoted(last).filter(|name| is_name(name)).map(str::to_owned));
    }
    found.retain(|name| !name.contains("NAME") && !name.contains('*') && !name.starts_with(METRIC));
    found
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn is_function(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The names of all functions.
fn functions() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    FOLDERS.iter().for_each(|folder| collect(&place(folder), &mut found));
    found
}

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).expect("sources are text");
            let names = source.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            found.extend(names.map(str::to_owned));
        }
    }
}
