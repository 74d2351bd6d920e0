//! EDGE: asks the iptables programs of both backends for their version and for what is in the kernel.
//!
//! Knows nothing of what follows from the answers.
#![expect(clippy::disallowed_methods, reason = "runs the save tools of both backends")]

use std::fs;
use std::io::{self, BufReader};
use std::process::{Command, Stdio};

use super::{
    Backend, Content, HINTS, Installed, NoPrograms, Reason, Selection, Suite, Wanted, choose, decide, nft,
};
use crate::family::Family;
use crate::version::Version;

/// The programs to run on this node from now on. Nothing is changed in the kernel by asking.
///
/// # Errors
/// A backend is wanted for which there are no programs.
pub fn select(wanted: Wanted) -> Result<Selection, NoPrograms> {
    let installed = installed();
    let found = match wanted {
        Wanted::Auto => found(installed),
        Wanted::Only(_) => None,
    };
    choose(wanted, found, installed)
}

fn installed() -> Installed {
    let version = |suite: Suite| {
        let output = Command::new(suite.programs(Family::V4).rules).arg("--version").output().ok()?;
        Version::parse(&String::from_utf8_lossy(&output.stdout))
    };
    Installed {
        plain: version(Suite::Plain).as_ref().map(Backend::of),
        nft: version(Suite::Of(Backend::Nft)).is_some(),
        legacy: version(Suite::Of(Backend::Legacy)).is_some(),
    }
}

/// Reads no more than what the decision depends on: a node may have many rules.
fn found(installed: Installed) -> Option<(Backend, Reason)> {
    let mut nft = Content { is_hinted: installed.nft && is_hinted(), rules: 0 };
    let has_nft_rules =
        installed.nft && Family::ALL.iter().any(|family| nft::has_rules(*family).unwrap_or(false));
    let mut legacy = Content::default();
    if installed.legacy && !nft.is_hinted {
        // Of hints and rules of the older one, hints count more; against no rules at all, one is enough.
        legacy = hints_of_legacy();
        let enough = if has_nft_rules { usize::MAX } else { 1 };
        if !legacy.is_hinted {
            legacy = content(Backend::Legacy, &[], enough);
        }
    }
    if !nft.is_hinted && !legacy.is_hinted && has_nft_rules {
        // As many as the other one has are enough.
        nft = if legacy.rules == 0 {
            Content { rules: 1, ..nft }
        } else {
            content(Backend::Nft, &[], legacy.rules)
        };
    }
    decide(nft, legacy)
}

/// Whether the kubelet made chains with iptables-nft.
fn is_hinted() -> bool {
    let hints = Family::ALL.iter().flat_map(|family| HINTS.map(|hint| (*family, hint)));
    hints.into_iter().any(|(family, hint)| nft::has_chain(family, "mangle", hint).unwrap_or(false))
}

/// What the table holds in which the kubelet makes chains. Naming a table that is not there would make it in the
/// kernel.
fn hints_of_legacy() -> Content {
    let mut content = Content::default();
    for family in Family::ALL {
        let names = match family {
            Family::V4 => "/proc/self/net/ip_tables_names",
            Family::V6 => "/proc/self/net/ip6_tables_names",
        };
        if fs::read_to_string(names).is_ok_and(|names| names.lines().any(|name| name == "mangle")) {
            let program = Suite::Of(Backend::Legacy).programs(family).save;
            let _unreadable = read(program, &["-t", "mangle"], usize::MAX, &mut content);
        }
    }
    content
}

/// What can be read of a backend, both families; what cannot is as if it were empty.
fn content(backend: Backend, arguments: &[&str], enough: usize) -> Content {
    let mut content = Content::default();
    for family in Family::ALL {
        let _unreadable = read(Suite::Of(backend).programs(family).save, arguments, enough, &mut content);
    }
    content
}

fn read(program: &str, arguments: &[&str], enough: usize, content: &mut Content) -> io::Result<()> {
    let mut command = Command::new(program);
    let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let stdout = child.stdout.take().expect("standard output is piped");
    // Whoever is not read to the end is told so by a closed pipe, and ends.
    content.read(BufReader::with_capacity(1 << 16, stdout), enough)?;
    child.wait().map(drop)
}
