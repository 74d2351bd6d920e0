//! EDGE: asks the iptables programs of both backends for their version and for what is in the kernel.
//!
//! Knows nothing of what follows from the answers.
#![expect(clippy::disallowed_methods, reason = "runs the save tools of both backends")]

use std::fs;
use std::io::{self, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{
    Backend, Content, HINTS, Installed, NoPrograms, Reason, Selection, Suite, Wanted, choose, decide, nft,
};
use crate::family::Family;
use crate::iptables::child::{NoOutput, within};
use crate::iptables::said;
use crate::retry::{self, up_to_three_times};
use crate::version::Version;

/// How long a program may take.
const LIMIT: Duration = Duration::from_secs(30);

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
    let version = |suite: Suite| version(suite.programs(Family::V4).rules, &["--version"]);
    Installed {
        plain: version(Suite::Plain).as_ref().map(Backend::of),
        nft: version(Suite::Of(Backend::Nft)).is_some(),
        legacy: version(Suite::Of(Backend::Legacy)).is_some(),
    }
}

/// What a program tells of its version.
fn version(program: &'static str, arguments: &'static [&'static str]) -> Option<Version> {
    let question = move || {
        let output = said::answer(Command::new(program).args(arguments))?;
        if output.status.success() {
            Ok(output)
        } else {
            Err(io::Error::other(output.status.to_string()).into())
        }
    };
    let output = asked::<_, NoOutput>(question).ok()?;
    Version::parse(&String::from_utf8_lossy(&output.stdout))
}

/// The answer to a question. A program that is not there gives none; another one that fails may do better next time.
fn asked<T: Send + 'static, E: Into<NoOutput> + 'static>(
    question: impl FnOnce() -> Result<T, E> + Clone + Send + 'static,
) -> Result<T, NoOutput> {
    up_to_three_times(
        retry::PAUSE,
        || within(LIMIT, question.clone()),
        |answer| match answer {
            Ok(_) => true,
            Err(NoOutput::Io(error)) => error.kind() == io::ErrorKind::NotFound,
            Err(_) => false,
        },
    )
}

/// Reads no more than what the decision depends on: a node may have many rules.
fn found(installed: Installed) -> Option<(Backend, Reason)> {
    let hint = if installed.nft { nft_hint() } else { Some(false) };
    let mut nft = Content { is_hinted: hint == Some(true), is_unreadable: hint.is_none(), rules: 0 };
    // Whoever does not tell may have some.
    let nft_rules = if installed.nft { any_nft_rules() } else { Some(false) };
    let may_have_nft_rules = nft_rules != Some(false);
    let mut legacy = Content::default();
    if installed.legacy && !nft.is_hinted {
        // Of hints and rules of the older one, hints count more; against no rules at all, one is enough.
        legacy = hints_of_legacy();
        let enough = if may_have_nft_rules { usize::MAX } else { 1 };
        if !legacy.is_hinted {
            let all = content(Backend::Legacy, enough);
            legacy = Content { is_unreadable: all.is_unreadable || legacy.is_unreadable, ..all };
        }
    }
    if !nft.is_hinted && !legacy.is_hinted && may_have_nft_rules {
        // As many as the other one has are enough.
        let all = match nft_rules {
            Some(true) if legacy.rules == 0 => Content { rules: 1, ..Content::default() },
            _ => content(Backend::Nft, legacy.rules.max(1)),
        };
        nft = Content { is_unreadable: all.is_unreadable || nft.is_unreadable, ..all };
    }
    decide(nft, legacy)
}

/// Whether the kubelet made chains with iptables-nft, if the kernel tells.
fn nft_hint() -> Option<bool> {
    let hints = Family::ALL.iter().flat_map(|family| HINTS.map(|hint| (*family, hint)));
    any(hints.map(|(family, hint)| asked(move || nft::has_chain(family, "mangle", hint))))
}

/// Whether iptables-nft made rules, if the kernel tells.
fn any_nft_rules() -> Option<bool> {
    any(Family::ALL.iter().map(|family| asked(move || nft::has_rules(*family))))
}

/// Whether one answer is yes. None if one is missing that could be.
fn any(answers: impl IntoIterator<Item = Result<bool, NoOutput>>) -> Option<bool> {
    let mut is_known = true;
    for answer in answers {
        match answer {
            Ok(true) => return Some(true),
            Ok(false) => {}
            Err(_) => is_known = false,
        }
    }
    is_known.then_some(false)
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
            content = read(program, &["-t", "mangle"], usize::MAX, content);
        }
    }
    content
}

/// What a backend holds, both families.
fn content(backend: Backend, enough: usize) -> Content {
    let programs = Family::ALL.map(|family| Suite::Of(backend).programs(family).save);
    programs.into_iter().fold(Content::default(), |content, program| read(program, &[], enough, content))
}

/// Adds what a program prints.
fn read(
    program: &'static str,
    arguments: &'static [&'static str],
    enough: usize,
    before: Content,
) -> Content {
    let question = move || {
        let mut command = Command::new(program);
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = child.stdout.take().expect("standard output is piped");
        let mut content = before;
        // Whoever is not read to the end is told so by a closed pipe, and ends.
        let result = content.read(BufReader::with_capacity(1 << 16, stdout), enough);
        let status = child.wait()?;
        result?;
        let is_enough = content.is_hinted || content.rules >= enough;
        if status.success() || is_enough { Ok(content) } else { Err(io::Error::other(status.to_string())) }
    };
    asked(question).unwrap_or(Content { is_unreadable: true, ..before })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_by(script: &str) -> Content {
        let script: &'static str = script.to_owned().leak();
        let arguments: &'static [&'static str] = vec!["-c", script].leak();
        read("sh", arguments, usize::MAX, Content::default())
    }

    #[test]
    fn who_fails_in_passing_is_asked_again() {
        let mark = std::env::temp_dir().join(format!("asked-{}", std::process::id()));
        let content =
            read_by(&format!("echo '-A X'; [ -e {0} ] || {{ touch {0}; exit 1; }}", mark.display()));
        fs::remove_file(mark).unwrap();
        assert_eq!(content, Content { rules: 1, ..Content::default() });
    }

    /// What cannot be read may hold anything: it is not as if it were empty.
    #[test]
    fn what_cannot_be_read_decides_nothing() {
        let unreadable = read_by("echo '-A X'; kill -9 $$");
        assert_eq!(unreadable, Content { is_unreadable: true, ..Content::default() });
        let other = Content { rules: 1, ..Content::default() };
        assert_eq!(decide(other, unreadable), None);
        assert_eq!(decide(unreadable, other), None);
        let more = Content { rules: 2, ..unreadable };
        assert_eq!(decide(other, more), Some((Backend::Legacy, Reason::Rules)));
        assert_eq!(decide(more, other), Some((Backend::Nft, Reason::Rules)));
        assert_eq!(
            decide(Content { is_hinted: true, ..other }, unreadable),
            Some((Backend::Nft, Reason::Hint))
        );
    }

    #[test]
    fn a_version_is_asked_for_again() {
        let mark = std::env::temp_dir().join(format!("version-{}", std::process::id()));
        let ask = |script: String| version("sh", vec!["-c", &*script.leak()].leak());
        let second =
            ask(format!("[ -e {0} ] || {{ touch {0}; exit 1; }}; echo 'x v1.8.9 (legacy)'", mark.display()));
        fs::remove_file(mark).unwrap();
        assert_eq!(second.map(|version| Backend::of(&version)), Some(Backend::Legacy));
        assert_eq!(ask("echo 'x v1.8.9 (legacy)'; exit 1".to_owned()), None, "it failed each time");
    }

    #[test]
    fn a_missing_answer_is_no_no() {
        let failed = || Err(NoOutput::Overdue);
        assert_eq!(any([Ok(false), Ok(false)]), Some(false));
        assert_eq!(any([Ok(false), failed()]), None);
        assert_eq!(any([failed(), Ok(true)]), Some(true));
        // A hint that could not be asked for counts more than one that was found.
        let unknown = Content { is_unreadable: true, ..Content::default() };
        assert_eq!(decide(unknown, Content { is_hinted: true, ..Content::default() }), None);
    }

    #[test]
    fn who_is_not_there_is_asked_once() {
        let missing = asked(|| Command::new("no-such-tool").output());
        assert!(matches!(missing, Err(NoOutput::Io(error)) if error.kind() == io::ErrorKind::NotFound));
    }
}
