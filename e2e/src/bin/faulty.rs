//! Turns into any of the iptables tools, and fails in the way that the file `mode` beside it says.
//!
//! Does not know what is tested. `KP_TOOLS` names the folder; the real tools are in `real` below it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, parent_id};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::command::{command, run_with_input};
use rustix::process::{Pid, Signal, getpid, kill_process};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("faulty: {error:#}");
            ExitCode::from(99)
        }
    }
}

fn run() -> Result<ExitCode> {
    let folder = PathBuf::from(env::var_os("KP_TOOLS").context("KP_TOOLS is not set")?);
    let mut arguments = env::args_os();
    let called = PathBuf::from(arguments.next().context("a program has a name")?);
    let tool = called.file_name().context("a program has a name")?.to_string_lossy().into_owned();
    let arguments: Vec<_> = arguments.collect();
    note_call(&folder, &tool, &arguments)?;
    let real = folder.join("real").join(&tool);
    let mode = fs::read_to_string(folder.join("mode")).unwrap_or_default();
    let (which, mode) = mode.split_once(' ').unwrap_or_default();
    if !tool.ends_with(which) || mode.is_empty() {
        return Err(command(&real).args(arguments).exec()).context("become the real tool");
    }
    note(&folder, &tool)?;
    let (mode, text) = mode.split_once(' ').unwrap_or((mode, ""));
    match mode {
        "hang" => sleep(Duration::from_secs(1000)),
        "kill" => kill_process(getpid(), Signal::KILL)?,
        "say" => return say(text),
        "cut" => return cut(&real, &arguments, text.parse()?),
        "stop" => return stop_after(&real, &arguments, text.parse()?),
        "flood" => return flood(),
        "refuse" => return refuse(&real, &arguments, text),
        other => anyhow::bail!("no such mode: {other}"),
    }
    Ok(ExitCode::FAILURE)
}

/// Notes what the tool was called with, if somebody wants to know.
fn note_call(folder: &Path, tool: &str, arguments: &[OsString]) -> io::Result<()> {
    match fs::OpenOptions::new().append(true).open(folder.join("calls")) {
        Ok(mut calls) => calls.write_all(format!("{tool} {arguments:?}\n").as_bytes()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Leaves a trace, so that tests can wait for a fault.
fn note(folder: &Path, tool: &str) -> io::Result<()> {
    fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("faults"))?
        .write_all(format!("{tool}\n").as_bytes())
}

/// An exit status and a last word.
fn say(text: &str) -> Result<ExitCode> {
    let (status, words) = text.split_once(' ').context("a status and words")?;
    eprintln!("{words}");
    Ok(ExitCode::from(status.parse::<u8>()?))
}

/// Talks until nobody listens any more.
fn flood() -> Result<ExitCode> {
    let words = "faulty: too much to say\n".repeat(1000);
    loop {
        io::stderr().write_all(words.as_bytes())?;
    }
}

/// Prints so many percent of what the real tool prints, and says that all went well.
fn cut(real: &Path, arguments: &[OsString], percent: usize) -> Result<ExitCode> {
    let output = command(real).args(arguments).output()?.stdout;
    io::stdout().write_all(&output[..output.len() * percent / 100])?;
    Ok(ExitCode::SUCCESS)
}

/// Applies so many COMMITs, and kills who asked for more.
fn stop_after(real: &Path, arguments: &[OsString], commits: usize) -> Result<ExitCode> {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    let total = input.matches("COMMIT\n").count();
    let part: String = input.split_inclusive("COMMIT\n").take(commits).collect();
    run_with_input(command(real).args(arguments), &part)?;
    if commits < total {
        let parent = i32::try_from(parent_id()).ok().and_then(Pid::from_raw).context("there is a parent")?;
        kill_process(parent, Signal::KILL)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a rule with the text, as a tool does that does not know an option.
fn refuse(real: &Path, arguments: &[OsString], text: &str) -> Result<ExitCode> {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    let is_bad = |line: &str| line.starts_with(['-']) && line.contains(text) && !line.starts_with("-D");
    if let Some(index) = input.lines().position(is_bad) {
        eprintln!("faulty: unknown option\nError occurred at line: {}", index + 1);
        return Ok(ExitCode::from(2));
    }
    let mut child = command(real).args(arguments).stdin(Stdio::piped()).spawn()?;
    // A tool that refuses an earlier line reads no further.
    let _unread = child.stdin.take().context("stdin is piped")?.write_all(input.as_bytes());
    let status = child.wait()?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(98))?))
}
