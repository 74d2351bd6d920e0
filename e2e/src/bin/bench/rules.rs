//! Turns what iptables-save prints into chains, and chains into the best input by hand that leads to them again.
//!
//! Does not know how the proxy writes them: this is what it is measured against.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use e2e::backend::Backend;

/// So many chains of endpoints are written between two COMMITs where a long list of names is slow.
const ENDPOINTS_PER_BLOCK: usize = 400;
/// So many of all others, which jump to several chains each.
const OTHERS_PER_BLOCK: usize = 100;

type Chains = BTreeMap<String, Vec<String>>;

/// The chains of each table, each with its rules (`-A CHAIN ...`) in their order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Rules {
    tables: BTreeMap<String, Chains>,
}

impl Rules {
    /// What a save says.
    pub(crate) fn of(save: &str) -> Self {
        let mut tables: BTreeMap<String, Chains> = BTreeMap::new();
        let mut table = String::new();
        for line in save.lines() {
            let chains = tables.entry(table.clone()).or_default();
            if let Some(name) = line.strip_prefix('*') {
                table = name.to_owned();
            } else if let Some(declared) = line.strip_prefix(':') {
                chains.entry(word(declared).to_owned()).or_default();
            } else if let Some(rule) = line.strip_prefix("-A ") {
                chains.entry(word(rule).to_owned()).or_default().push(line.to_owned());
            }
        }
        tables.retain(|_, chains| chains.keys().any(|chain| is_made(chain)));
        Self { tables }
    }

    /// How many chains were made, and how many rules there are.
    pub(crate) fn count(&self) -> (usize, usize) {
        let chains = || self.tables.values().flatten();
        (chains().filter(|(chain, _)| is_made(chain)).count(), chains().map(|(_, rules)| rules.len()).sum())
    }

    /// The input that makes all of it where nothing is.
    pub(crate) fn input(&self, backend: Backend) -> String {
        let mut out = String::new();
        for (table, chains) in &self.tables {
            for block in blocks(chains, backend) {
                section(table, &block, chains, &mut out);
            }
        }
        out
    }

    /// The input that writes these chains of the nat table again as they are.
    pub(crate) fn again(&self, names: &[&str]) -> String {
        let mut out = String::new();
        section("nat", names, &self.tables["nat"], &mut out);
        out
    }

    /// The input that removes what was made.
    pub(crate) fn removal(&self, backend: Backend) -> String {
        let mut out = String::new();
        for (table, chains) in &self.tables {
            let built_in = chains.iter().filter(|(chain, _)| !is_made(chain));
            let jumps: Vec<_> = built_in.flat_map(|(_, rules)| rules).collect();
            out += &format!("*{table}\n");
            jumps.iter().for_each(|rule| out += &format!("{}\n", rule.replacen("-A", "-D", 1)));
            let fixed: Vec<_> =
                chains.keys().filter(|chain| is_made(chain) && level(chain).is_fixed()).collect();
            fixed.iter().for_each(|chain| out += &format!(":{chain} - [0:0]\n"));
            out += "COMMIT\n";
            let mut blocks = blocks(chains, backend);
            blocks.reverse();
            for block in blocks {
                out += &format!("*{table}\n");
                let made = || block.iter().filter(|chain| is_made(chain));
                made().for_each(|chain| out += &format!(":{chain} - [0:0]\n"));
                made().for_each(|chain| out += &format!("-X {chain}\n"));
                out += "COMMIT\n";
            }
        }
        out
    }

    /// The chain of the endpoint with this address and port.
    pub(crate) fn endpoint(&self, destination: &str) -> Result<&str> {
        let suffix = format!("--to-destination {destination}");
        let of_endpoint = |rules: &[String]| rules.iter().any(|rule| rule.ends_with(&suffix));
        let found = self.tables.get("nat").into_iter().flatten().find(|(_, rules)| of_endpoint(rules));
        Ok(found.with_context(|| format!("no chain leads to {destination}"))?.0)
    }

    /// The chain of the Service with this cluster IP.
    pub(crate) fn service(&self, cluster_ip: &str) -> Result<&str> {
        let wanted = format!("-d {cluster_ip}/32 ");
        let dispatch = self.tables.get("nat").and_then(|nat| nat.get("KUBE-SERVICES"));
        let rule = dispatch.into_iter().flatten().find(|rule| rule.contains(&wanted));
        let rule = rule.with_context(|| format!("no rule for {cluster_ip}"))?;
        Ok(rule.rsplit(' ').next().expect("a split has a last part"))
    }
}

/// What jumps to what: a chain only to chains of an earlier level.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Level {
    Mark,
    Endpoint,
    Cluster,
    External,
    Dispatch,
}

impl Level {
    fn is_fixed(self) -> bool {
        matches!(self, Level::Mark | Level::Dispatch)
    }
}

fn level(chain: &str) -> Level {
    match chain.get(..9).unwrap_or_default() {
        "KUBE-SEP-" => Level::Endpoint,
        "KUBE-SVC-" | "KUBE-SVL-" => Level::Cluster,
        "KUBE-EXT-" => Level::External,
        "KUBE-MARK" => Level::Mark,
        _ => Level::Dispatch,
    }
}

fn per_block(chain: &str) -> usize {
    match level(chain) {
        Level::Endpoint => ENDPOINTS_PER_BLOCK,
        Level::Mark | Level::Cluster | Level::External | Level::Dispatch => OTHERS_PER_BLOCK,
    }
}

/// Leaves first, dispatch last, in one block; names descend where that is fast.
fn blocks(chains: &Chains, backend: Backend) -> Vec<Vec<&str>> {
    let mut names: Vec<_> = chains.keys().map(String::as_str).collect();
    names.sort_by_key(|name| level(name));
    if backend == Backend::Legacy {
        return vec![names];
    }
    let levels = names.chunk_by(|one, other| level(one) == level(other));
    let blocks = levels.flat_map(|of_level| of_level.chunks(per_block(of_level[0])));
    blocks.map(|block| block.iter().rev().copied().collect()).collect()
}

fn section(table: &str, names: &[&str], chains: &Chains, out: &mut String) {
    *out += &format!("*{table}\n");
    names.iter().filter(|name| is_made(name)).for_each(|name| *out += &format!(":{name} - [0:0]\n"));
    for rule in names.iter().flat_map(|name| &chains[*name]) {
        *out += rule;
        out.push('\n');
    }
    *out += "COMMIT\n";
}

/// Built-in chains were there before.
fn is_made(chain: &str) -> bool {
    chain.starts_with("KUBE-")
}

fn word(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVE: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-MARK-MASQ - [0:0]\n:KUBE-SEP-A - [0:0]\n\
        :KUBE-SEP-B - [0:0]\n:KUBE-SERVICES - [0:0]\n:KUBE-SVC-C - [0:0]\n-A PREROUTING -j KUBE-SERVICES\n\
        -A KUBE-SEP-A -p tcp -j DNAT --to-destination 10.1.0.1:8080\n\
        -A KUBE-SERVICES -d 172.16.0.1/32 -p tcp -j KUBE-SVC-C\n-A KUBE-SVC-C -j KUBE-SEP-A\nCOMMIT\n\
        *raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n";

    #[test]
    fn blocks_go_from_the_leaves_up() {
        let rules = Rules::of(SAVE);
        assert_eq!(rules.count(), (5, 4));
        let text = rules.input(Backend::Nft);
        let order = [
            "*nat\n:KUBE-MARK-MASQ - [0:0]\nCOMMIT\n",
            "*nat\n:KUBE-SEP-B - [0:0]\n:KUBE-SEP-A - [0:0]\n-A KUBE-SEP-A -p tcp -j DNAT --to-destination 10.1.0.1:8080\nCOMMIT\n",
            "*nat\n:KUBE-SVC-C - [0:0]\n-A KUBE-SVC-C -j KUBE-SEP-A\nCOMMIT\n",
            "*nat\n:KUBE-SERVICES - [0:0]\n-A PREROUTING -j KUBE-SERVICES\n-A KUBE-SERVICES -d 172.16.0.1/32 -p tcp -j KUBE-SVC-C\nCOMMIT\n",
        ];
        assert_eq!(text, order.concat());
        assert_eq!(rules.input(Backend::Legacy).matches("COMMIT").count(), 1);
    }

    #[test]
    fn chains_are_found_by_address() {
        let rules = Rules::of(SAVE);
        assert_eq!(rules.endpoint("10.1.0.1:8080").unwrap(), "KUBE-SEP-A");
        assert_eq!(rules.service("172.16.0.1").unwrap(), "KUBE-SVC-C");
        rules.endpoint("10.1.0.1:808").unwrap_err();
        rules.service("172.16.0.11").unwrap_err();
        let again = rules.again(&["KUBE-SVC-C"]);
        assert_eq!(again, "*nat\n:KUBE-SVC-C - [0:0]\n-A KUBE-SVC-C -j KUBE-SEP-A\nCOMMIT\n");
    }

    #[test]
    fn what_jumps_is_removed_first() {
        let text = Rules::of(SAVE).removal(Backend::Nft);
        let places =
            ["-D PREROUTING", "-X KUBE-SERVICES", "-X KUBE-SVC-C", "-X KUBE-SEP-A", "-X KUBE-MARK-MASQ"];
        let places = places.map(|part| text.find(part).unwrap());
        assert!(places.is_sorted(), "{text}");
    }
}
