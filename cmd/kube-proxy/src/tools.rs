//! The iptables tools of this node: whether they work at all, which is asked while the objects of the cluster are
//! fetched. With many rules, the legacy tools take long for any answer.
//!
//! Knows nothing of rules.

use std::fs;
use std::io;
use std::panic;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, bail};
use proxier::backend::Suite;
use proxier::drift::watch::Watch;
use proxier::family::Family;
use proxier::iptables::Iptables;
use proxier::plan::Layout;
use proxier::retry::{self, up_to_three_times};
use proxier::tables::{Tables as _, TablesError};
use tracing::{info, warn};

/// What a tool says where the kernel has no such table, or not this family at all.
const UNSUPPORTED: [&str; 4] = [
    "Table does not exist",
    "No such file or directory",
    "Protocol not supported",
    "Address family not supported",
];

/// The tools of both families, and an ear for what others do to their rules.
pub(crate) struct Prepared {
    pub(crate) tools: Vec<JoinHandle<Answer>>,
    /// Open also where nothing is told of the rules yet: the tools may be exchanged.
    pub(crate) ear: io::Result<Watch>,
}

/// What tools answered.
pub(crate) struct Answer {
    family: Family,
    tables: Iptables,
    is_supported: Result<(), TablesError>,
}

/// Begins to ask the tools. Where foreign changes are noticed from here on, the rules are read, too.
///
/// # Errors
/// No thread can be started.
pub(crate) fn prepare(suite: Suite) -> io::Result<Prepared> {
    let ear = Watch::open();
    let may_look = ear.is_ok();
    let begin =
        |family| thread::Builder::new().name("ask".to_owned()).spawn(move || answer(suite, family, may_look));
    let tools = Family::ALL.into_iter().map(begin).collect::<io::Result<_>>()?;
    Ok(Prepared { tools, ear })
}

fn answer(suite: Suite, family: Family, may_look: bool) -> Answer {
    let mut tables = Iptables::new(suite, family);
    if may_look && tables.layout() == Layout::Blocks {
        tables.look_ahead();
    }
    let is_supported = support(family, retry::PAUSE, || ask(&mut tables, suite, family));
    Answer { family, tables, is_supported }
}

/// The families that have both tools and kernel support.
///
/// # Errors
/// Neither has, or the primary one has not.
pub(crate) fn usable(tools: Vec<JoinHandle<Answer>>, primary: Family) -> Result<Vec<(Family, Iptables)>> {
    let mut usable = Vec::new();
    for asked in tools {
        let answer = asked.join().unwrap_or_else(|payload| panic::resume_unwind(payload));
        let Answer { family, tables, is_supported } = answer;
        match is_supported {
            Ok(()) if family == Family::V4 || is_ipv6_enabled() => usable.push((family, tables)),
            Ok(()) => info!(ipFamily = %family, "IPv6 is disabled on this host"),
            Err(error) if family == Family::V4 || is_ipv6_enabled() => {
                warn!(ipFamily = %family, err = %error, "No iptables support for family");
            }
            Err(error) => info!(ipFamily = %family, err = %error, "No iptables support for family"),
        }
    }
    if usable.is_empty() {
        bail!("iptables is not available on this host");
    }
    if usable.iter().all(|(family, _)| *family != primary) {
        bail!("no support for primary IP family {:?}", primary.to_string());
    }
    Ok(usable)
}

/// Asks a tool whether it works, and for its version.
fn ask(tables: &mut Iptables, suite: Suite, family: Family) -> Told {
    if tables.version().is_none() {
        *tables = Iptables::new(suite, family);
    }
    Told { is_usable: tables.is_usable(), has_version: tables.version().is_some() }
}

/// What a tool told when it was asked.
struct Told {
    is_usable: Result<(), TablesError>,
    has_version: bool,
}

/// Whether a family has tools and kernel support. A lock that is held, or a tool that fails in an odd way, tells neither
/// that it has nor that it has not: it is asked again; a tool waits for the lock itself, 5 s each time. A family whose
/// lock is held after a few questions counts as supported, and syncs go on to try. Rules depend on the version, so a tool
/// that does not tell it for another reason than being old must not be started with.
fn support(family: Family, pause: Duration, ask: impl FnMut() -> Told) -> Result<(), TablesError> {
    match up_to_three_times(pause, ask, |told| is_final(family, told)) {
        Told { is_usable: Err(TablesError::Busy { .. }), has_version: true } => Ok(()),
        Told { is_usable, .. } => is_usable,
    }
}

/// Whether there is no point in asking again; says why if there is.
fn is_final(family: Family, told: &Told) -> bool {
    match told {
        Told { is_usable: Ok(()), has_version: true } => true,
        Told { is_usable: Ok(()), has_version: false } => {
            warn!(ipFamily = %family, "iptables does not tell its version");
            false
        }
        Told { is_usable: Err(error), .. } if is_clear_no(error) => true,
        Told { is_usable: Err(error), .. } => {
            warn!(ipFamily = %family, err = %error, "Can't tell yet whether iptables works for this family");
            false
        }
    }
}

/// Whether the family has no support, whoever is asked.
fn is_clear_no(error: &TablesError) -> bool {
    match error {
        TablesError::Missing { source, .. } => source.kind() == io::ErrorKind::NotFound,
        TablesError::Refused { text, .. } => UNSUPPORTED.iter().any(|words| text.contains(words)),
        TablesError::Busy { .. }
        | TablesError::Interrupted { .. }
        | TablesError::Astray { .. }
        | TablesError::Unreadable { .. } => false,
    }
}

fn is_ipv6_enabled() -> bool {
    let disabled = fs::read_to_string("/proc/sys/net/ipv6/conf/all/disable_ipv6");
    fs::exists("/proc/net/if_inet6").unwrap_or(false) && disabled.map_or(true, |value| value.trim() != "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(make: fn(String, String) -> TablesError) -> TablesError {
        make("ip6tables".to_owned(), "no answer".to_owned())
    }

    #[track_caller]
    fn check(answers: Vec<(Result<(), TablesError>, bool)>, expected: bool) {
        let told = format!("{answers:?}");
        let mut answers = answers.into_iter().map(|(is_usable, has_version)| Told { is_usable, has_version });
        let answer = || answers.next().expect("nobody asks so often");
        let supported = support(Family::V6, Duration::ZERO, answer).is_ok();
        assert_eq!((supported, answers.len()), (expected, 0), "{told}");
    }

    fn busy() -> TablesError {
        error(|command, text| TablesError::Busy { command, text })
    }

    fn killed() -> TablesError {
        error(|command, text| TablesError::Interrupted { command, text })
    }

    fn refused(text: &str) -> TablesError {
        let (command, text) = ("ip6tables".to_owned(), text.to_owned());
        TablesError::Refused { command, text, line: None, context: String::new() }
    }

    fn no_table() -> TablesError {
        refused("can't initialize ip6tables table `nat': Table does not exist (do you need to insmod?)")
    }

    /// What a tool says that cannot open what it needs.
    fn odd() -> TablesError {
        refused("Could not fetch rule set generation id: Too many open files")
    }

    fn missing(kind: io::ErrorKind) -> TablesError {
        TablesError::Missing { command: "ip6tables".to_owned(), source: kind.into() }
    }

    #[test]
    fn only_a_clear_no_makes_a_family_unsupported() {
        check(vec![(Ok(()), true)], true);
        check(vec![(Err(busy()), true), (Ok(()), true)], true);
        check(vec![(Err(busy()), true), (Err(killed()), true), (Err(busy()), true)], true);
        check(vec![(Err(no_table()), true)], false);
        check(vec![(Err(killed()), true), (Err(no_table()), true)], false);
        check(vec![(Err(missing(io::ErrorKind::NotFound)), false)], false);
        check(vec![(Err(odd()), true), (Ok(()), true)], true);
        check(vec![(Err(missing(io::ErrorKind::ResourceBusy)), true), (Ok(()), true)], true);
        check(vec![(Err(odd()), true), (Err(odd()), true), (Err(odd()), true)], false);
    }

    #[test]
    fn nothing_is_started_with_tools_that_fail_to_tell_their_version() {
        check(vec![(Err(busy()), false), (Ok(()), true)], true);
        check(vec![(Err(busy()), false), (Err(busy()), false), (Err(busy()), false)], false);
        check(vec![(Err(busy()), true), (Err(busy()), true), (Err(killed()), true)], false);
        // One that works need not tell any.
        check(vec![(Ok(()), false), (Ok(()), false), (Ok(()), false)], true);
    }
}
