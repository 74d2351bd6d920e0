//! EDGE: asks the iptables programs of both backends for their version and for what is in the kernel.
//!
//! Knows nothing of what follows from the answers.
#![expect(clippy::disallowed_methods, reason = "runs the save tools of both backends")]

use std::io::{self, BufReader};
use std::process::{Command, Stdio};

use super::{Backend, Content, Installed, NoPrograms, Reason, Selection, Suite, Wanted, choose, decide};
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
    let mut nft = Content::default();
    let mut legacy = Content::default();
    if installed.nft {
        nft = content(Backend::Nft, &["-t", "mangle"]);
    }
    // Without `-t`: naming a table would make it in the kernel.
    if installed.legacy && !nft.is_hinted {
        legacy = content(Backend::Legacy, &[]);
    }
    if installed.nft && !nft.is_hinted && !legacy.is_hinted {
        nft = content(Backend::Nft, &[]);
    }
    decide(nft, legacy)
}

/// What can be read of a backend, both families; what cannot is as if it were empty.
fn content(backend: Backend, arguments: &[&str]) -> Content {
    let mut content = Content::default();
    for family in Family::ALL {
        let _unreadable = read(Suite::Of(backend).programs(family).save, arguments, &mut content);
    }
    content
}

fn read(program: &str, arguments: &[&str], content: &mut Content) -> io::Result<()> {
    let mut command = Command::new(program);
    let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let stdout = child.stdout.take().expect("standard output is piped");
    content.read(BufReader::with_capacity(1 << 16, stdout))?;
    child.wait().map(drop)
}
