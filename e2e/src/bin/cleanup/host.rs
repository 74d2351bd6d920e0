//! Turns rules into a host that has them, and runs `kube-proxy --cleanup` there.
//!
//! Does not know which rules must be left.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family, Tools};
use e2e::canonical;
use e2e::command::{command, run, run_with_input};
use e2e::netns::Netns;
use e2e::proxy::binary;

/// A namespace with the tools of one backend.
pub(crate) struct Host {
    pub(crate) netns: Netns,
    pub(crate) tools: Tools,
}

impl Host {
    pub(crate) fn new(backend: Backend) -> Result<Self> {
        Ok(Self { netns: Netns::new("cleanup")?, tools: Tools::new(backend)? })
    }

    /// Adds rules to those that are there.
    pub(crate) fn restore(&self, family: Family, rules: &str) -> Result<()> {
        self.tools.restore(&self.netns, family, rules)
    }

    /// Every chain that is not built in, and every rule, in the order of the save.
    pub(crate) fn rules(&self, family: Family) -> Result<String> {
        Ok(essence(&self.tools.save(&self.netns, family)?))
    }

    /// Fails unless exactly these rules are left.
    pub(crate) fn expect(&self, family: Family, expected: &str) -> Result<()> {
        let found = self.rules(family)?;
        ensure!(found == expected, "{family}:\n{}", canonical::diff(expected, &found));
        Ok(())
    }

    /// `kube-proxy --cleanup`, not started yet.
    pub(crate) fn cleanup(&self) -> Result<Command> {
        let mut cleanup = self.netns.command(binary()?);
        self.tools.equip(cleanup.arg("--cleanup"));
        Ok(cleanup)
    }

    /// Cleans up, and fails unless all went well without a word of complaint.
    pub(crate) fn clean_up(&self) -> Result<()> {
        succeeds(self.cleanup()?.output().context("start kube-proxy")?)
    }

    pub(crate) fn nft(&self, script: &str) -> Result<String> {
        let mut nft = command("ip");
        nft.args(["netns", "exec", self.netns.name(), "nft", "-f", "-"]);
        run_with_input(&mut nft, script).context("nft (package nftables) is needed")
    }

    pub(crate) fn has_link(&self, name: &str) -> bool {
        run(self.netns.command("ip").args(["link", "show", name])).is_ok()
    }
}

/// Fails unless the process ended well and logged no error.
pub(crate) fn succeeds(output: Output) -> Result<()> {
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}:\n{log}", output.status);
    ensure!(!log.lines().any(|line| line.starts_with(['E', 'W'])), "there are complaints:\n{log}");
    Ok(())
}

/// Makes the programs in a folder win over all others.
pub(crate) fn put_first_in_path(folder: &Path, command: &mut Command) {
    let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value);
    let path = path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    command.env("PATH", format!("{}:{path}", folder.display()));
}

fn essence(save: &str) -> String {
    let mut tables: BTreeMap<&str, String> = BTreeMap::new();
    let mut table = "";
    for line in save.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if line.starts_with("-A ") {
            *tables.entry(table).or_default() += &format!("{line}\n");
        } else if let Some((chain, "- [0:0]")) = line.split_once(' ') {
            *tables.entry(table).or_default() += &format!("{chain}\n");
        }
    }
    tables.iter().map(|(table, lines)| format!("*{table}\n{lines}")).collect()
}
