//! Turns the output of `iptables-save` into a form in which two rule sets can be compared byte for byte.
//!
//! Does not know what the rules mean, only which of their orders is an accident:
//! comments, counters and untouched tables go, tables and chains are sorted, and in the chains that upstream fills
//! Service by Service the rules are grouped by service port. The form is itself a save, and its own canonical form.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use similar::TextDiff;

/// The chains that upstream fills in the order in which it happens to visit the Services.
const SHARED: [(&str, &str); 6] = [
    ("filter", "KUBE-SERVICES"),
    ("filter", "KUBE-EXTERNAL-SERVICES"),
    ("filter", "KUBE-NODEPORTS"),
    ("filter", "KUBE-PROXY-FIREWALL"),
    ("nat", "KUBE-SERVICES"),
    ("nat", "KUBE-NODEPORTS"),
];

/// How the comment of the rules begins that end nat KUBE-SERVICES, one per address, in the order of a set.
const CATCH_ALL: &str = "kubernetes service nodeports;";

#[derive(Default)]
struct Table<'a> {
    policies: BTreeMap<&'a str, &'a str>,
    rules: BTreeMap<&'a str, Vec<&'a str>>,
}

/// The canonical form of a save.
///
/// # Errors
/// If a line is not one that `iptables-save` writes.
pub fn canonical(save: &str) -> Result<String> {
    let mut text = String::new();
    for (name, table) in parse(save)? {
        if table.is_untouched() {
            continue;
        }
        text += &format!("*{name}\n");
        for (chain, policy) in table.policies.iter().filter(|(_, policy)| **policy != "ACCEPT") {
            text += &format!(":{chain} {policy}\n");
        }
        for (chain, rules) in table.rules {
            for rule in ordered(name, chain, rules) {
                text += &format!("{rule}\n");
            }
        }
        text += "COMMIT\n";
    }
    Ok(text)
}

/// A unified diff of two canonical forms; empty if they are equal.
pub fn diff(expected: &str, found: &str) -> String {
    let diff = TextDiff::from_lines(expected, found);
    diff.unified_diff().context_radius(1).header("expected", "found").to_string()
}

impl Table<'_> {
    /// Listing a table creates it, so an empty one says nothing.
    fn is_untouched(&self) -> bool {
        self.rules.is_empty() && self.policies.values().all(|policy| *policy == "ACCEPT")
    }
}

fn parse(save: &str) -> Result<BTreeMap<&str, Table<'_>>> {
    let mut tables: BTreeMap<&str, Table> = BTreeMap::new();
    let mut current = None;
    for (index, raw) in save.lines().enumerate() {
        let line = without_counters(raw.trim_end());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('*') {
            tables.entry(name).or_default();
            current = Some(name);
        } else if line == "COMMIT" {
            current = None;
        } else {
            let name = current.with_context(|| format!("line {}: outside of a table: {raw}", index + 1))?;
            let table = tables.get_mut(name).expect("the table was entered above");
            read_line(table, line).with_context(|| format!("line {}", index + 1))?;
        }
    }
    Ok(tables)
}

fn read_line<'a>(table: &mut Table<'a>, line: &'a str) -> Result<()> {
    let mut words = line.split_ascii_whitespace();
    match (words.next(), words.next()) {
        (Some("-A"), Some(chain)) => table.rules.entry(chain).or_default().push(line),
        (Some(declared), Some(policy)) if declared.starts_with(':') => {
            table.policies.insert(&declared[1..], policy);
        }
        _ => bail!("not understood: {line}"),
    }
    Ok(())
}

/// The line without a leading `[packets:bytes]`.
fn without_counters(line: &str) -> &str {
    let counters = line.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    match counters {
        Some((counts, rule)) if counts.bytes().all(|byte| byte.is_ascii_digit() || byte == b':') => rule,
        _ => line,
    }
}

fn ordered<'a>(table: &str, chain: &str, mut rules: Vec<&'a str>) -> Vec<&'a str> {
    // The sort is stable: the rules of one service port stay in their order.
    if SHARED.contains(&(table, chain)) {
        rules.sort_by(|one, other| place(one).cmp(&place(other)));
    }
    rules
}

/// Where a rule of a shared chain belongs: by service port, the catch-all rules last and sorted.
fn place(rule: &str) -> (bool, &str) {
    let comment = comment(rule);
    match comment.starts_with(CATCH_ALL) {
        true => (true, rule),
        false => (false, comment.split(' ').next().unwrap_or_default()),
    }
}

/// The text of a rule's comment as it is written, escapes included; empty without a comment.
fn comment(rule: &str) -> &str {
    let Some((_, rest)) = rule.split_once("--comment ") else { return "" };
    let Some(quoted) = rest.strip_prefix('"') else {
        return rest.split(' ').next().unwrap_or_default();
    };
    let mut escaped = false;
    let end = quoted.find(|character| {
        let is_end = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        is_end
    });
    end.map_or(quoted, |end| &quoted[..end])
}

#[cfg(test)]
mod tests;
