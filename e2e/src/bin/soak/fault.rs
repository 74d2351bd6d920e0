//! Turns a fault into what it does to the host, the tools, the API server or the daemon.
//!
//! Does not know what it must not break.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::apiserver::{self, ApiServer, Kind, Rule, Verb};
use e2e::backend::{Backend, Family, Tools};
use e2e::command::{run, run_with_input};
use e2e::netns::Netns;
use rustix::fs::{FlockOperation, flock};

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The daemon is killed, and started again after a while.
    Kill { down: Duration },
    /// Somebody holds the xtables lock.
    Lock { held: Duration },
    /// The iptables tools do not do what they should.
    Tool { tool: Tool, lasts: Duration },
    /// The API server is not as it should be.
    Api(Api),
    /// A table is emptied.
    Flush { family: Family, table: &'static str },
    /// A jump from a built-in chain to one of ours is deleted.
    Jump { family: Family, pick: usize },
    /// One of our chains is deleted, with all jumps to it.
    Chain { family: Family, pick: usize },
    /// A rule is deleted from one of our chains.
    Rule { family: Family, pick: usize },
    /// A rule is added to one of our chains that changes nothing.
    Foreign { family: Family, pick: usize },
}

/// What the tools do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tool {
    Fails,
    Locked,
    Missing,
    CutsSave,
    Hangs { millis: u64 },
    Killed { millis: u64 },
}

/// What the API server does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Api {
    CutConnections,
    CutWatches,
    /// It forgets what happened, so that watches must begin with a list.
    Compact,
    /// It is too busy for the next lists and watches.
    Refuse {
        times: u32,
    },
    Down {
        lasts: Duration,
    },
}

impl Fault {
    /// Whether requests may fail until the damage is repaired.
    pub(crate) fn breaks_traffic(&self) -> bool {
        match self {
            // Nothing but the canary is there.
            Self::Flush { table, .. } => *table != "mangle",
            Self::Jump { .. } | Self::Chain { .. } | Self::Rule { .. } => true,
            Self::Kill { .. } | Self::Lock { .. } | Self::Tool { .. } | Self::Api(_) => false,
            Self::Foreign { .. } => false,
        }
    }

    /// The name of its kind.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Kill { .. } => "kill -9",
            Self::Lock { .. } => "lock",
            Self::Tool { .. } => "tool",
            Self::Api(_) => "API",
            Self::Flush { .. } => "flush",
            Self::Jump { .. } => "jump",
            Self::Chain { .. } => "chain",
            Self::Rule { .. } => "rule",
            Self::Foreign { .. } => "foreign rule",
        }
    }
}

/// The tools of the daemon, each behind a script that does what the fault of the moment says.
pub(crate) fn scripted(backend: Backend) -> Result<Tools> {
    let tools = Tools::new(backend)?;
    let program = backend.program();
    for family in Family::ALL {
        for suffix in ["", "-save", "-restore"] {
            let (program, tool) = (program.display(), family.tool(suffix));
            let script = format!(
                "real='{program} {tool}'\nfault=${{0%/*}}/fault\nlock=${{0%/*}}/lock\n\
                 [ -e \"$lock\" ] && case \"$0 $*\" in *-save*|*--version*) ;; *) : >\"$lock.met\";; esac\n\
                 [ -e \"$fault\" ] && . \"$fault\"\nexec $real \"$@\""
            );
            tools.replace(&tool, &script)?;
        }
    }
    Ok(tools)
}

impl Tool {
    /// From here on the tools do this.
    pub(crate) fn begin(self, tools: &Tools) -> Result<()> {
        // Each leaves a mark when a tool does it.
        let script = match self {
            Self::Fails => ": >\"$fault.met\"; echo failing on purpose >&2; exit 1\n".to_owned(),
            Self::Locked => {
                ": >\"$fault.met\"; echo Another app is holding the xtables lock >&2; exit 4\n".to_owned()
            }
            Self::Missing => ": >\"$fault.met\"; exit 127\n".to_owned(),
            Self::CutsSave => {
                "case \"$0\" in *-save) : >\"$fault.met\"; $real \"$@\" | head -c 700; exit 0;; esac\n"
                    .to_owned()
            }
            Self::Hangs { millis } => format!(": >\"$fault.met\"; sleep {}\n", seconds(millis)),
            Self::Killed { millis } => format!(
                "timeout -s KILL {} $real \"$@\"; status=$?\n\
                 [ $status = 137 ] && {{ : >\"$fault.met\"; kill -KILL $$; }}\nexit $status\n",
                seconds(millis)
            ),
        };
        let draft = tools.folder().join("fault.draft");
        fs::write(&draft, script).context("write a fault")?;
        fs::rename(&draft, tools.folder().join("fault")).context("put a fault in place")
    }
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// The tools are as they should be; tells whether any of them met the fault.
pub(crate) fn heal(tools: &Tools) -> bool {
    // Another fault's end may have done it.
    let _ = fs::remove_file(tools.folder().join("fault"));
    fs::remove_file(tools.folder().join("fault.met")).is_ok()
}

/// From here on tools note that they have to wait for the lock.
pub(crate) fn watch_lock(tools: &Tools) -> Result<()> {
    fs::write(tools.folder().join("lock"), "").context("note that the lock is held")
}

/// They do so no more; tells whether any had to.
pub(crate) fn unwatch_lock(tools: &Tools) -> bool {
    let _ = fs::remove_file(tools.folder().join("lock"));
    fs::remove_file(tools.folder().join("lock.met")).is_ok()
}

/// Takes the lock; closing the file releases it.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path).context("open the lock")?;
    flock(&file, FlockOperation::LockExclusive).context("take the lock")?;
    Ok(file)
}

impl Api {
    pub(crate) fn begin(self, server: &ApiServer) {
        match self {
            Self::CutConnections => server.cut_connections(),
            Self::CutWatches => Kind::ALL.into_iter().for_each(|kind| server.cut_watches(kind)),
            Self::Compact => {
                server.compact();
                server.cut_connections();
            }
            Self::Refuse { times } => {
                for kind in [Kind::Service, Kind::EndpointSlice] {
                    for verb in [Verb::List, Verb::Watch, Verb::Stream] {
                        server.script(Rule { kind, verb, times, fault: busy() });
                    }
                }
                server.cut_connections();
            }
            Self::Down { .. } => server.stop(),
        }
    }
}

fn busy() -> apiserver::Fault {
    let (reason, message) = ("TooManyRequests", "too many requests");
    apiserver::Fault::Refuse { code: 429, reason, message, retry_after: None }
}

/// The node's tables, as somebody else changes them.
pub(crate) struct Vandal<'a> {
    pub(crate) node: &'a Netns,
    pub(crate) backend: Backend,
    pub(crate) lock: &'a Path,
}

impl Vandal<'_> {
    pub(crate) fn flush(&self, family: Family, table: &str) -> Result<()> {
        let tool = |action: &str| {
            let mut tool = self.tool(family, "");
            run(tool.args(["-w", "10", "-t", table, action])).map(drop)
        };
        tool("-F")?;
        // The daemon may have filled the chains by then, so that they cannot be deleted.
        let _filled = tool("-X");
        Ok(())
    }

    /// Says which one it was; nothing if there was none.
    pub(crate) fn delete_jump(&self, family: Family, pick: usize) -> Result<Option<String>> {
        let jumps = |table: &str, line: &str| {
            table != "mangle" && !line.starts_with("-A KUBE-") && line.contains("-j KUBE-")
        };
        self.delete_line(family, pick, jumps)
    }

    pub(crate) fn delete_rule(&self, family: Family, pick: usize) -> Result<Option<String>> {
        self.delete_line(family, pick, |_, line| line.starts_with("-A KUBE-"))
    }

    pub(crate) fn delete_chain(&self, family: Family, pick: usize) -> Result<Option<String>> {
        let save = self.save(family)?;
        let Some((table, line)) = picked(&save, pick, is_our_chain) else { return Ok(None) };
        let chain = line[1..].split(' ').next().expect("a chain has a name");
        let target = format!("-j {chain}");
        let jumps = lines(&save)
            .filter(|(of, line)| *of == table && format!("{line} ").contains(&format!("{target} ")));
        let deletions: String =
            jumps.map(|(_, line)| format!("{}\n", line.replacen("-A", "-D", 1))).collect();
        self.restore(family, &format!("*{table}\n{deletions}-F {chain}\n-X {chain}\nCOMMIT\n"))?;
        Ok(Some(format!("{table} {chain}")))
    }

    pub(crate) fn add_rule(&self, family: Family, pick: usize) -> Result<Option<String>> {
        let save = self.save(family)?;
        let Some((table, line)) = picked(&save, pick, |table, line| is_ours_alone(family, table, line))
        else {
            return Ok(None);
        };
        let chain = line[1..].split(' ').next().expect("a chain has a name");
        let rule = format!("-A {chain} -m comment --comment foreign");
        self.restore(family, &format!("*{table}\n{rule}\nCOMMIT\n"))?;
        Ok(Some(format!("{table} {rule}")))
    }

    fn delete_line(
        &self,
        family: Family,
        pick: usize,
        is_meant: impl Fn(&str, &str) -> bool,
    ) -> Result<Option<String>> {
        let save = self.save(family)?;
        let Some((table, line)) = picked(&save, pick, is_meant) else { return Ok(None) };
        let deletion = line.replacen("-A", "-D", 1);
        self.restore(family, &format!("*{table}\n{deletion}\nCOMMIT\n"))?;
        Ok(Some(format!("{table} {line}")))
    }

    /// All rules of a family, as the tool prints them.
    pub(crate) fn save(&self, family: Family) -> Result<String> {
        run(&mut self.tool(family, "-save"))
    }

    fn restore(&self, family: Family, input: &str) -> Result<()> {
        run_with_input(self.tool(family, "-restore").args(["-w", "10", "--noflush"]), input)?;
        Ok(())
    }

    fn tool(&self, family: Family, suffix: &str) -> std::process::Command {
        let mut command = self.node.command(self.backend.program());
        command.arg(family.tool(suffix)).env("XTABLES_LOCKFILE", self.lock);
        command
    }
}

/// The lines of a save, each with its table.
fn lines(save: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut table = "";
    save.lines().filter_map(move |line| {
        table = line.strip_prefix('*').unwrap_or(table);
        (line.starts_with('-') || line.starts_with(':')).then_some((table, line))
    })
}

/// All but the canary, which nobody uses.
fn is_our_chain(table: &str, line: &str) -> bool {
    table != "mangle" && line.starts_with(":KUBE-") && !line.starts_with(":KUBE-PROXY-CANARY")
}

/// A chain in which nobody else may have rules: without any of ours in it, `KUBE-FIREWALL` is the kubelet's.
fn is_ours_alone(family: Family, table: &str, line: &str) -> bool {
    is_our_chain(table, line) && !(family == Family::V6 && line.starts_with(":KUBE-FIREWALL "))
}

fn picked(save: &str, pick: usize, is_meant: impl Fn(&str, &str) -> bool) -> Option<(&str, &str)> {
    let meant: Vec<_> = lines(save).filter(|(table, line)| is_meant(table, line)).collect();
    (!meant.is_empty()).then(|| meant[pick % meant.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelets_chain_is_not_ours_alone() {
        let of = |family, line| is_ours_alone(family, "filter", line);
        assert!(of(Family::V4, ":KUBE-FIREWALL - [0:0]") && !of(Family::V6, ":KUBE-FIREWALL - [0:0]"));
        assert!(
            of(Family::V6, ":KUBE-PROXY-FIREWALL - [0:0]") && !of(Family::V4, ":KUBE-PROXY-CANARY - [0:0]")
        );
    }
}
