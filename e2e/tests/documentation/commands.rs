//! Commands on pages name targets, flags and files that exist, and say so where they need a cluster.

use std::collections::BTreeSet;

use super::{Page, pages, place, text};

/// What only works with a cluster, or with what is not in Debian.
const OF_A_CLUSTER: [&str; 6] = ["kubectl", "kind", "ctr", "docker", "podman", "kubeadm"];
/// Folders whose files are named on pages.
const FOLDERS: [&str; 5] = ["cmd/", "crates/", "docs/", "e2e/", "manifests/"];
/// What a page tells to make.
const MADE: &str = "manifests/mine";

#[test]
fn make_targets_exist() {
    let makefile = text("Makefile");
    let targets: BTreeSet<_> =
        makefile.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    check(20, |page| {
        let calls = page.text.split(['`', '\n', '(']).filter_map(|text| text.strip_prefix("make "));
        let words = calls.filter_map(|text| text.split([' ', ',', ';']).next());
        words.map(|target| (target.to_owned(), targets.contains(target))).collect()
    });
}

#[test]
fn files_exist() {
    check(40, |page| {
        let is_word = |c: char| !(c.is_ascii_alphanumeric() || "/-_.".contains(c));
        let words = page.text.split(is_word).map(|word| word.trim_end_matches(['.', '/']));
        let named = words.filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)));
        let named = named.filter(|word| !word.starts_with(MADE) && !word.contains("NAME"));
        named.map(|name| (name.to_owned(), exists(name))).collect()
    });
}

#[test]
fn flags_exist() {
    let reference = text("docs/reference/flags.md");
    let is_known = |flag: &str| reference.contains(&format!("`{}`", flag.split('=').next().unwrap_or(flag)));
    check(4, |page| {
        let calls = blocks(page).into_iter().flat_map(str::lines);
        // Variables that begin a line are for another program.
        let calls = calls.filter(|line| !line.starts_with("KUBE_PROXY="));
        let arguments =
            calls.filter_map(|line| line.split_once("/kube-proxy ")).flat_map(|(_, rest)| rest.split(' '));
        arguments
            .filter(|word| word.starts_with("--"))
            .map(|flag| (flag.to_owned(), is_known(flag)))
            .collect()
    });
}

#[test]
fn what_needs_a_cluster_says_so() {
    check(15, |page| {
        let of_a_cluster = |line: &&str| OF_A_CLUSTER.iter().any(|tool| line.split(' ').next() == Some(tool));
        let mut found = Vec::new();
        let says = |line: &str| line.contains("# need") || line.contains("# on a node");
        for block in blocks(page) {
            let whole = block.lines().next().is_some_and(says);
            found.extend(
                block.lines().filter(of_a_cluster).map(|line| (line.to_owned(), whole || says(line))),
            );
        }
        found
    });
}

/// At least so many things on all pages are looked at, and all of them are right.
fn check(least: usize, look: impl Fn(&Page) -> Vec<(String, bool)>) {
    let mut seen = 0;
    for page in pages() {
        for (what, is_right) in look(&page) {
            seen += 1;
            assert!(is_right, "{}: {what}", page.name);
        }
    }
    assert!(seen >= least, "{seen} on all pages");
}

/// A file or folder, or a module by its name without the ending.
fn exists(name: &str) -> bool {
    place(name).exists() || place(&format!("{name}.rs")).exists()
}

/// Blocks of commands.
fn blocks(page: &Page) -> Vec<&str> {
    let fenced = page.text.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
    fenced.filter(|(language, _)| ["sh", "console"].contains(language)).map(|(_, block)| block).collect()
}
