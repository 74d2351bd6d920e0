//! Turns a program and its arguments into its output, or into an error that shows what it said.
//!
//! Does not know which programs there are, nor in which namespace they run.
#![expect(clippy::disallowed_methods, reason = "the one place of the tests that starts processes")]

use std::env;
use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};

/// A command that is not started yet.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// Runs the command without input and returns what it wrote to its standard output.
///
/// # Errors
/// If it cannot be started or does not end with status 0; the error shows its standard error.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("start {command:?}"))?;
    text(command, output)
}

/// Runs the command with `input` on its standard input.
///
/// The input must be small: it is written whole before any output is read.
///
/// # Errors
/// As [`run`].
pub fn run_with_input(command: &mut Command, input: &str) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("start {command:?}"))?;
    let mut stdin = child.stdin.take().expect("standard input is piped");
    // A child that gives up early breaks the pipe; what it has to say about that is in its output.
    let written = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().with_context(|| format!("wait for {command:?}"))?;
    let text = text(command, output)?;
    written.with_context(|| format!("write to {command:?}"))?;
    Ok(text)
}

fn text(command: &Command, output: Output) -> Result<String> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}: {}", output.status, stderr.trim_end());
    String::from_utf8(output.stdout).with_context(|| format!("output of {command:?}"))
}

/// A program that was built beside the running one.
///
/// # Errors
/// If there is none.
pub fn beside(name: &str) -> Result<PathBuf> {
    let program = env::current_exe().context("find the running program")?;
    // Test programs are one folder deeper, in deps.
    let places = program.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    let found = places.into_iter().find(|path| path.is_file());
    found.with_context(|| format!("no {name} beside the running program; build it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_comes_back() {
        assert_eq!(run(command("echo").arg("hello")).unwrap(), "hello\n");
    }

    #[test]
    fn input_goes_in() {
        assert_eq!(run_with_input(&mut command("cat"), "hello").unwrap(), "hello");
    }

    #[test]
    fn a_failure_shows_what_the_program_said() {
        let error = run(command("ls").arg("/no/such/folder")).unwrap_err().to_string();
        assert!(error.contains("/no/such/folder") && error.contains("exit status: 2"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = format!("{:#}", run(&mut command("no-such-program")).unwrap_err());
        assert!(error.contains("no-such-program"), "{error}");
    }
}
