//! Turns the targets of `make test` into one count: runs each, shows what it prints, and adds up.
//!
//! Does not know what is tested: it reads the closing lines of `cargo test`, and lines such as `59 of 59 equal`.
#![expect(clippy::disallowed_methods, reason = "starts make")]

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::ops::AddAssign;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Count {
    passed: usize,
    failed: usize,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Count) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Usage: `tally MAKE -- TARGET...`
fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run_all(&arguments) {
        Ok(Count { failed: 0, .. }) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tally: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_all(arguments: &[OsString]) -> Result<Count> {
    let mut parts = arguments.splitn(2, |argument| argument == "--");
    let make = parts.next().and_then(<[OsString]>::first).context("the name of make is missing")?;
    let targets = parts.next().context("targets are missing")?;
    ensure!(!targets.is_empty(), "targets are missing");
    let mut total = Count::default();
    for target in targets {
        total += run(make, target)?;
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{} passed, {} failed", total.passed, total.failed).context("print")?;
    Ok(total)
}

/// Runs one target to its end; the next one runs also if it fails.
fn run(make: &OsString, target: &OsString) -> Result<Count> {
    let mut out = io::stdout().lock();
    writeln!(out, "=== {}", target.display()).context("print")?;
    let mut child = Command::new(make)
        .arg(target)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {make:?}"))?;
    let mut count = Count::default();
    for line in BufReader::new(child.stdout.take().expect("standard output is piped")).split(b'\n') {
        let line = line.context("read what the target prints")?;
        let line = String::from_utf8_lossy(&line);
        writeln!(out, "{line}").context("print")?;
        count += read(&line);
    }
    let success = child.wait().context("wait for the target")?.success();
    Ok(closed(count, success))
}

/// A target that counts nothing is one test; one that fails without a failed test, in building perhaps, is one more.
fn closed(mut count: Count, success: bool) -> Count {
    if !success && count.failed == 0 {
        count.failed = 1;
    } else if count == Count::default() {
        count.passed = 1;
    }
    count
}

/// What a closing line counts; nothing for any other line.
fn read(line: &str) -> Count {
    cargo_test(line).or_else(|| of(line)).unwrap_or_default()
}

/// `test result: ok. 12 passed; 0 failed; 0 ignored; ...`
fn cargo_test(line: &str) -> Option<Count> {
    let mut parts = line.strip_prefix("test result: ")?.split_once(". ")?.1.split("; ");
    let passed = parts.next()?.strip_suffix(" passed")?.parse().ok()?;
    let failed = parts.next()?.strip_suffix(" failed")?.parse().ok()?;
    Some(Count { passed, failed })
}

/// `59 of 59 equal (nft)`, `20 of 21 hold (legacy)`
fn of(line: &str) -> Option<Count> {
    let (passed, rest) = line.split_once(" of ")?;
    let (total, rest) = rest.split_once(' ')?;
    let known = rest.starts_with("equal (") || rest.starts_with("hold (");
    let passed: usize = passed.parse().ok().filter(|_| known)?;
    let total: usize = total.parse().ok()?;
    Some(Count { passed, failed: total.checked_sub(passed)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_count() {
        for (line, passed, failed) in [
            (
                "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s",
                12,
                0,
            ),
            ("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured", 3, 2),
            ("59 of 59 equal (nft)", 59, 0),
            ("20 of 21 hold (legacy)", 20, 1),
            ("test canonical::tests::a ... ok", 0, 0),
            ("1 of 2 things in a log", 0, 0),
        ] {
            assert_eq!(read(line), Count { passed, failed }, "{line}");
        }
    }

    #[test]
    fn a_target_counts_at_least_once() {
        assert_eq!(closed(Count::default(), true), Count { passed: 1, failed: 0 });
        assert_eq!(closed(Count::default(), false), Count { passed: 0, failed: 1 });
        assert_eq!(closed(Count { passed: 3, failed: 0 }, false), Count { passed: 3, failed: 1 });
        assert_eq!(closed(Count { passed: 3, failed: 2 }, false), Count { passed: 3, failed: 2 });
    }
}
