//! The tables of a namespace, and the iptables tools by hand.
//!
//! Does not know who else works on them.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Tools};
use e2e::command::command;
use e2e::netns::Netns;
use e2e::packet_counter;
use e2e::wait::Watch;
use rustix::fs::{MemfdFlags, memfd_create};

use crate::rules::Rules;

/// How the proxy, too, makes iptables-restore wait for the lock.
const RESTORE: [&str; 5] = ["-w", "5", "-W", "100000", "--counters"];

/// What rules of the daemon name; it makes them itself only where it runs.
const COUNTERS: [&str; 2] = ["ct_state_invalid_dropped_pkts", "localhost_nps_accepted_pkts"];

/// In the place of what there is, no more than a kubelet makes, which the daemon looks for at its start.
const NODE: &str = "*nat\nCOMMIT\n*filter\nCOMMIT\n*mangle\n:KUBE-IPTABLES-HINT - [0:0]\nCOMMIT\n";

/// The tables of one backend in a namespace.
pub(crate) struct Tables {
    backend: Backend,
    pub(crate) tools: Tools,
    pub(crate) netns: Netns,
}

impl Tables {
    /// Those of a node without Services, in a new namespace.
    pub(crate) fn new(backend: Backend) -> Result<Tables> {
        let netns = Netns::new("bench")?;
        for counter in COUNTERS {
            // Where the kernel has none, no rule names them.
            let _unavailable = packet_counter::create(&netns, counter);
        }
        let tables = Tables { backend, tools: Tools::new(backend)?, netns };
        tables.reset()?;
        Ok(tables)
    }

    /// Removes all rules, and all chains but the kubelet's.
    pub(crate) fn reset(&self) -> Result<()> {
        for tool in ["iptables-restore", "ip6tables-restore"] {
            self.run(tool, &RESTORE, NODE)?;
        }
        Ok(())
    }

    /// Feeds a text to iptables-restore, and says how long it took.
    pub(crate) fn restore(&self, input: &str) -> Result<Duration> {
        let arguments = [&RESTORE[..], &["--noflush"]].concat();
        Ok(self.run("iptables-restore", &arguments, input)?.0)
    }

    /// All rules, and how long iptables-save took for them.
    pub(crate) fn save(&self) -> Result<(Duration, Rules)> {
        let (took, text) = self.run("iptables-save", &[], "")?;
        Ok((took, Rules::of(&text)))
    }

    /// Input and output are in memory, so that the tool waits for nobody.
    fn run(&self, tool: &str, arguments: &[&str], input: &str) -> Result<(Duration, String)> {
        let (stdin, mut stdout, mut stderr) = (memory(input)?, memory("")?, memory("")?);
        // By its path, or else this process, which is large, would be copied before the tool is started.
        let mut command = command(self.backend.program());
        command.arg(tool).args(arguments).stdin(Stdio::from(stdin));
        command.stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
        self.tools.equip(&mut command);
        let (status, took) = self.netns.inside(|| {
            let watch = Watch::start();
            (command.status(), watch.elapsed())
        });
        let said = content(&mut stderr)?;
        ensure!(status.with_context(|| format!("start {tool}"))?.success(), "{tool}: {said}");
        Ok((took, content(&mut stdout)?))
    }
}

fn memory(content: &str) -> Result<File> {
    let mut file = File::from(memfd_create("bench", MemfdFlags::CLOEXEC).context("make a file in memory")?);
    file.write_all(content.as_bytes()).context("write to memory")?;
    file.rewind().context("rewind")?;
    Ok(file)
}

fn content(file: &mut File) -> Result<String> {
    let mut text = String::new();
    file.rewind().context("rewind")?;
    file.read_to_string(&mut text).context("read what a tool said")?;
    Ok(text)
}
