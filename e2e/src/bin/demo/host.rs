//! Turns the host's own rules into a text that can be compared.
//!
//! Does not know what the rules are for. Looking at rules with `iptables-save` makes no tables.

use anyhow::{Context, Result};
use e2e::backend::{Backend, Family};
use e2e::canonical::diff;
use e2e::command::{command, run};

/// All rules of the host, of both backends and both families, without what traffic and time change by themselves.
pub(crate) fn rules() -> Result<String> {
    let mut rules = String::new();
    for backend in Backend::ALL {
        for family in Family::ALL {
            let save = run(command(backend.program()).arg(family.tool("-save")));
            let save = save.with_context(|| format!("look at the host's {family} rules ({backend})"))?;
            rules += &format!("{backend} {family}\n");
            for line in save.lines().filter(|line| !line.starts_with('#')) {
                rules += &format!("{}\n", without_counters(line));
            }
        }
    }
    Ok(rules)
}

/// Built-in chains are declared with their policy and what they have counted: `:INPUT ACCEPT [3:180]`.
fn without_counters(line: &str) -> &str {
    match line.rsplit_once(" [") {
        Some((declaration, _)) if line.starts_with(':') => declaration,
        _ => line,
    }
}

/// What has changed, as a diff.
pub(crate) fn difference(before: &str, after: &str) -> String {
    diff(before, after)
}
