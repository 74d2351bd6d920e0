//! What the end of a tool means: an error by what can be done about it.
//!
//! Knows nothing of how the tool was run.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Output};
use std::time::Duration;

use super::child::NoOutput;
use crate::error_line::{line_number, lines_around};
use crate::tables::TablesError;

/// What the tools say when the lock is held, or when the kernel could not do it this time.
const NOT_NOW: [&str; 6] = [
    "xtables lock",
    "Resource temporarily unavailable",
    "Cannot allocate memory",
    "Memory allocation problem",
    "No buffer space available",
    "Interrupted system call",
];
/// Signals by which a process ends itself; with others, somebody else ended it.
const CRASHES: [i32; 6] = [4, 6, 7, 8, 11, 31];
/// How much of what a tool says is repeated, in characters.
const LONGEST_TEXT: usize = 2000;

/// The output of a tool that was given a time.
pub(crate) fn ended(
    command: &str,
    limit: Duration,
    result: Result<Output, NoOutput>,
) -> Result<Output, TablesError> {
    let command = command.to_owned();
    result.map_err(|why| match why {
        NoOutput::Io(source) => TablesError::Missing { command, source },
        NoOutput::Overdue => {
            let text = format!("did not end within {} s, and was killed", limit.as_secs());
            TablesError::Interrupted { command, text }
        }
        NoOutput::Stopped => {
            let text = "printed without end, and was killed".to_owned();
            TablesError::Interrupted { command, text }
        }
    })
}

/// The error of a tool that ended badly.
pub(crate) fn failure(command: &str, output: &Output, input: &[u8]) -> TablesError {
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let said = to_first_line_number(&String::from_utf8_lossy(&said));
    let (command, text) = (command.to_owned(), format!("{}: {said}", output.status));
    if was_killed(output.status) {
        return TablesError::Interrupted { command, text };
    }
    if NOT_NOW.iter().any(|reason| said.contains(reason)) {
        return TablesError::Busy { command, text };
    }
    let context = lines_around(&said, input);
    TablesError::Refused { command, line: line_number(&said), text, context }
}

/// What a tool says up to the line that it names first: what it says of later ones may follow from that.
fn to_first_line_number(said: &str) -> String {
    let lines: Vec<_> = said.trim().lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let named = lines.iter().position(|line| line_number(line).is_some());
    let said = lines[..named.map_or(lines.len(), |last| last + 1)].join("; ");
    said.chars().take(LONGEST_TEXT).collect()
}

fn was_killed(status: ExitStatus) -> bool {
    status.signal().is_some_and(|signal| !CRASHES.contains(&signal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: i32, stderr: &str, expected: &str) {
        let output =
            Output { status: ExitStatus::from_raw(status), stdout: Vec::new(), stderr: stderr.into() };
        let found = match failure("iptables-restore", &output, b"1\n2\n3\n") {
            TablesError::Busy { .. } => "busy".to_owned(),
            TablesError::Interrupted { .. } => "interrupted".to_owned(),
            TablesError::Refused { line: Some(line), .. } => format!("refused at {line}"),
            TablesError::Refused { line: None, .. } => "refused".to_owned(),
            TablesError::Missing { .. } | TablesError::Unreadable { .. } | TablesError::Astray { .. } => {
                "neither".to_owned()
            }
        };
        assert_eq!(found, expected, "{stderr}");
    }

    #[test]
    fn words_and_status_decide() {
        let locked = "Another app is currently holding the xtables lock; waited 5s but it has not ended";
        check(4 << 8, locked, "busy");
        check(1 << 8, "iptables-restore: line 8 failed", "refused at 8");
        check(
            4 << 8,
            "iptables-restore v1.8.9 (nf_tables): \nline 7: RULE_APPEND failed (Invalid argument): rule in chain KUBE-SEP-A",
            "refused at 7",
        );
        check(
            4 << 8,
            "line 7: RULE_APPEND failed (Cannot allocate memory): rule in chain KUBE-SEP-A",
            "busy",
        );
        check(2 << 8, "unknown option \"--foo\"\nError occurred at line: 3\nTry", "refused at 3");
        check(1 << 8, "", "refused");
        check(9, "", "interrupted");
        check(15, "", "interrupted");
        check(11, "", "refused");
    }

    #[test]
    fn only_the_first_line_counts() {
        let said =
            "iptables-restore v1.8.9 (nf_tables): \nline 7: RULE_APPEND failed\nline 8: RULE_APPEND failed\n";
        assert_eq!(
            to_first_line_number(said),
            "iptables-restore v1.8.9 (nf_tables):; line 7: RULE_APPEND failed"
        );
        assert_eq!(to_first_line_number("one\ntwo\n"), "one; two");
    }

    #[test]
    fn what_is_said_has_an_end() {
        let output =
            Output { status: ExitStatus::from_raw(256), stdout: Vec::new(), stderr: vec![b'x'; 1 << 20] };
        assert!(failure("iptables", &output, &[]).to_string().len() < 3000);
    }
}
