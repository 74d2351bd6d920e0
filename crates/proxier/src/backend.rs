//! Turns what each iptables backend of this node holds into the programs to run.
//!
//! The kernel keeps the rules of iptables-nft and iptables-legacy apart, and both take effect: the backend has to be
//! the one that the kubelet and the network plugin use. Knows nothing of how the programs are asked: that is `probe`.

#[cfg(feature = "io")]
mod nft;
#[cfg(feature = "io")]
mod probe;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, BufRead, Read};
use std::str::FromStr;

use crate::family::Family;
use crate::version::Version;

#[cfg(feature = "io")]
pub use probe::select;

/// Chains that the kubelet makes with the iptables of the node.
const HINTS: [&str; 2] = ["KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY"];

/// The longest line of a save that is read at once, in bytes.
const LONGEST: u64 = 1 << 16;

/// What in the kernel iptables writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// nf_tables.
    Nft,
    /// The older x_tables.
    Legacy,
}

/// Which backend the administrator wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// The one that the node uses.
    #[default]
    Auto,
    /// This one.
    Only(Backend),
}

/// The names under which the programs are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// `iptables` and the like, whatever backend they are of.
    Plain,
    /// `iptables-nft`, `iptables-legacy` and the like.
    Of(Backend),
}

/// The programs of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Programs {
    /// Reads and writes single rules.
    pub rules: &'static str,
    /// Prints tables.
    pub save: &'static str,
    /// Writes tables.
    pub restore: &'static str,
}

/// What one backend holds, both families together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Whether there is a chain that the kubelet makes as a hint.
    pub is_hinted: bool,
    /// The number of rules in all tables.
    pub rules: usize,
    /// Whether some of it cannot be read, so that there may be more.
    pub is_unreadable: bool,
}

/// Which programs there are on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// The backend of `iptables`.
    pub plain: Option<Backend>,
    /// Whether there is an `iptables-nft`.
    pub nft: bool,
    /// Whether there is an `iptables-legacy`.
    pub legacy: bool,
}

/// Why a backend was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The administrator said so.
    Flag,
    /// The kubelet made chains there.
    Hint,
    /// There are more rules than in the other one.
    Rules,
    /// Nothing told them apart.
    Default,
}

/// The outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// What to run.
    pub suite: Suite,
    /// The backend of it, if it is known.
    pub backend: Option<Backend>,
    /// Why this one.
    pub reason: Reason,
    /// The backend that the node uses although there are no programs for it.
    pub missed: Option<Backend>,
}

/// The programs of the backend that was asked for are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no iptables-{0} on this host")]
pub struct NoPrograms(pub Backend);

/// The programs to run.
///
/// # Errors
/// A backend is wanted for which there are none.
pub fn choose(
    wanted: Wanted,
    found: Option<(Backend, Reason)>,
    installed: Installed,
) -> Result<Selection, NoPrograms> {
    let of = |backend, suite, reason| Selection { suite, backend: Some(backend), reason, missed: None };
    let missed = match (wanted, found) {
        (Wanted::Only(backend), _) => {
            let suite =
                if installed.has(backend) { Some(Suite::Of(backend)) } else { installed.suite(backend) };
            return suite.map(|suite| of(backend, suite, Reason::Flag)).ok_or(NoPrograms(backend));
        }
        (Wanted::Auto, Some((backend, reason))) => match installed.suite(backend) {
            Some(suite) => return Ok(of(backend, suite, reason)),
            None => Some(backend),
        },
        (Wanted::Auto, None) => None,
    };
    let (suite, backend) = installed.default_suite();
    Ok(Selection { suite, backend, reason: Reason::Default, missed })
}

/// The backend that the node uses; nothing where neither holds anything, or where what has to be compared is not known.
pub fn decide(nft: Content, legacy: Content) -> Option<(Backend, Reason)> {
    if nft.is_hinted {
        Some((Backend::Nft, Reason::Hint))
    } else if legacy.is_hinted && !nft.is_unreadable {
        Some((Backend::Legacy, Reason::Hint))
    } else if legacy.rules > nft.rules && !nft.is_unreadable {
        Some((Backend::Legacy, Reason::Rules))
    } else if nft.rules > 0 && nft.rules >= legacy.rules && !legacy.is_unreadable {
        Some((Backend::Nft, Reason::Rules))
    } else {
        None
    }
}

// === impl Content ===

impl Content {
    /// Adds what iptables-save printed, until there is a hint or there are so many rules: more would change nothing.
    ///
    /// # Errors
    /// It cannot be read so far.
    pub fn read(&mut self, mut save: impl BufRead, enough: usize) -> io::Result<()> {
        let (mut piece, mut begins_line) = (Vec::new(), true);
        while !self.is_hinted && self.rules < enough {
            piece.clear();
            if save.by_ref().take(LONGEST).read_until(b'\n', &mut piece)? == 0 {
                break;
            }
            if begins_line {
                self.is_hinted = HINTS.iter().any(|hint| is_declared(hint, &piece));
                self.rules += usize::from(piece.starts_with(b"-"));
            }
            begins_line = piece.ends_with(b"\n");
        }
        Ok(())
    }
}

/// Whether a line of a save declares the chain.
fn is_declared(chain: &str, line: &[u8]) -> bool {
    let rest = line.strip_prefix(b":").and_then(|line| line.strip_prefix(chain.as_bytes()));
    rest.is_some_and(|rest| rest.starts_with(b" "))
}

// === impl Installed ===

impl Installed {
    /// Whether there are programs whose name tells the backend.
    pub fn has(self, backend: Backend) -> bool {
        match backend {
            Backend::Nft => self.nft,
            Backend::Legacy => self.legacy,
        }
    }

    /// `iptables` if it is of the backend: `PATH` may lead to one that an administrator prefers.
    fn suite(self, backend: Backend) -> Option<Suite> {
        if self.plain == Some(backend) {
            Some(Suite::Plain)
        } else {
            self.has(backend).then_some(Suite::Of(backend))
        }
    }

    fn default_suite(self) -> (Suite, Option<Backend>) {
        let named = [Backend::Nft, Backend::Legacy].into_iter().find(|backend| self.has(*backend));
        match (self.plain, named) {
            (None, Some(backend)) => (Suite::Of(backend), Some(backend)),
            (plain, _) => (Suite::Plain, plain),
        }
    }
}

// === impl Suite ===

impl Suite {
    /// The programs of a family.
    pub fn programs(self, family: Family) -> Programs {
        match (self, family) {
            (Self::Plain, Family::V4) => {
                Programs { rules: "iptables", save: "iptables-save", restore: "iptables-restore" }
            }
            (Self::Plain, Family::V6) => {
                Programs { rules: "ip6tables", save: "ip6tables-save", restore: "ip6tables-restore" }
            }
            (Self::Of(Backend::Nft), Family::V4) => {
                Programs { rules: "iptables-nft", save: "iptables-nft-save", restore: "iptables-nft-restore" }
            }
            (Self::Of(Backend::Nft), Family::V6) => Programs {
                rules: "ip6tables-nft",
                save: "ip6tables-nft-save",
                restore: "ip6tables-nft-restore",
            },
            (Self::Of(Backend::Legacy), Family::V4) => Programs {
                rules: "iptables-legacy",
                save: "iptables-legacy-save",
                restore: "iptables-legacy-restore",
            },
            (Self::Of(Backend::Legacy), Family::V6) => Programs {
                rules: "ip6tables-legacy",
                save: "ip6tables-legacy-save",
                restore: "ip6tables-legacy-restore",
            },
        }
    }
}

// === texts ===

impl Backend {
    /// The backend of a version of iptables. Before there were two, it was the older one.
    pub fn of(version: &Version) -> Self {
        match version.backend.as_deref() {
            Some("nf_tables") => Self::Nft,
            Some(_) | None => Self::Legacy,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nft => "nft",
            Self::Legacy => "legacy",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "--iptables-backend",
            Self::Hint => "chains of the kubelet",
            Self::Rules => "existing rules",
            Self::Default => "default of the host",
        })
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Only(backend) => backend.fmt(f),
        }
    }
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "nft" => Ok(Self::Only(Backend::Nft)),
            "legacy" => Ok(Self::Only(Backend::Legacy)),
            _ => Err("want auto, nft or legacy".to_owned()),
        }
    }
}
