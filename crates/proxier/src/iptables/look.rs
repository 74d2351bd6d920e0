//! EDGE: iptables-save, whose output is read while it is printed, on another CPU; and before it is asked for, if that was
//! announced.
//!
//! Knows nothing of what the rules are compared with.

use std::fs::File;
use std::io::Seek;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::child::observed;
use super::said::until_end;
use super::verdict::{ended, failure};
use super::{in_memory, version_of};
use crate::backend::Programs;
use crate::plan::{Found, Intake, Unreadable};
use crate::tables::TablesError;
use crate::version::Version;

/// How long iptables-save may take. 10,000 Services take 1.6 s.
const LIMIT: Duration = Duration::from_secs(60);
/// How often there is a look at what it has printed so far.
const STEP: Duration = Duration::from_millis(5);
/// How much it may print, in bytes. 10,000 Services are 24 megabytes.
const MOST: u64 = 512 << 20;
/// How much of that is read at once, in bytes.
const PIECE: usize = 1 << 16;
/// Rules that were read longer ago are read again.
const FRESH: Duration = Duration::from_secs(10);

/// The tools, and what they found.
pub(super) struct Seen {
    pub(super) version: Option<Version>,
    pub(super) found: Found,
}

/// A look that is under way.
pub(super) struct Ahead {
    since: Instant,
    thread: JoinHandle<Result<Seen, TablesError>>,
}

impl Ahead {
    /// Begins to look; not where no thread can be started.
    pub(super) fn start(programs: Programs) -> Option<Self> {
        let since = Instant::now();
        let thread = thread::Builder::new().name("look".to_owned()).spawn(move || see(programs)).ok()?;
        Some(Self { since, thread })
    }

    /// What it found, unless that was long ago, or it failed.
    pub(super) fn seen(self) -> Option<Seen> {
        if self.since.elapsed() > FRESH { None } else { self.thread.join().ok()?.ok() }
    }
}

/// What the tool prints of one table.
pub(super) fn table(program: &'static str, table: &'static str) -> Result<File, TablesError> {
    save(program, vec!["-t", table], MOST, |_, _| ControlFlow::Continue(()))
}

/// Asks for the version, and reads back all rules. The nf_tables variant fetches all tables even for one, so they are
/// asked for together.
pub(super) fn see(programs: Programs) -> Result<Seen, TablesError> {
    let version = version_of(programs.rules);
    let mut intake = Ok(Intake::default());
    let mut position = 0;
    let mut buffer = vec![0; PIECE];
    // What is no save will not become one.
    let mut read = |save: &File, printed| {
        if let Ok(so_far) = &mut intake
            && let Err(error) = take_in(so_far, save, &mut position, printed, &mut buffer)
        {
            intake = Err(error);
        }
        if intake.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let saved = save(programs.save, Vec::new(), MOST, &mut read).map(|save| read(&save, MOST));
    let unreadable = |source| TablesError::Unreadable { command: programs.save.to_owned(), source };
    let intake = intake.map_err(unreadable)?;
    let _read_to_the_end = saved?;
    Ok(Seen { version, found: intake.finish().map_err(unreadable)? })
}

/// Takes in what was printed since the last time, and so much in all at most.
fn take_in(
    intake: &mut Intake,
    save: &File,
    position: &mut u64,
    printed: u64,
    buffer: &mut [u8],
) -> Result<(), Unreadable> {
    while *position < printed {
        match save.read_at(buffer, *position)? {
            0 => return Ok(()),
            length => {
                *position += length as u64;
                intake.push(&buffer[..length])?;
            }
        }
    }
    Ok(())
}

/// What the tool printed, unless that is more than `most` bytes. Meanwhile `watch` is shown it again and again, with how
/// much it is; it may put an end to it.
///
/// It prints line by line: through a pipe, each line would wake its reader.
fn save(
    program: &'static str,
    arguments: Vec<&'static str>,
    most: u64,
    mut watch: impl FnMut(&File, u64) -> ControlFlow<()>,
) -> Result<File, TablesError> {
    let command = [&[program], arguments.as_slice()].concat().join(" ");
    let made = in_memory("iptables-save", &[]).and_then(|save| Ok((save.try_clone()?, save)));
    let (out, mut save) = made.map_err(|source| TablesError::Missing { command: command.clone(), source })?;
    let run = move || {
        let mut child = Command::new(program).args(&arguments).stdout(out).stderr(Stdio::piped()).spawn()?;
        let words = child.stderr.take().expect("standard error is piped");
        until_end(child, words)
    };
    // Whoever reads may be slower than whoever prints.
    let look = |_| match save.metadata().map_or(0, |save| save.len()) {
        printed if printed > most => ControlFlow::Break(()),
        printed => watch(&save, printed),
    };
    let output = ended(&command, LIMIT, observed(LIMIT, STEP, run, look))?;
    if !output.status.success() {
        return Err(failure(&command, &output, &[]));
    }
    save.rewind().map_err(|source| TablesError::Unreadable { command, source: source.into() })?;
    Ok(save)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAKE: Programs = Programs { rules: "true", save: "yes", restore: "true" };

    /// Nobody waits for it to end.
    #[test]
    fn what_is_no_save_is_not_read_to_its_end() {
        let seen = see(FAKE).map(|_| ());
        assert!(matches!(seen, Err(TablesError::Unreadable { .. })), "{seen:?}");
    }

    #[test]
    fn who_prints_faster_than_others_read_is_stopped() {
        let (mut read, mut looks) = (0, 0);
        let watch = |save: &File, printed: u64| {
            looks += 1;
            let (mut intake, some) = (Intake::default(), printed.min(read + 12));
            take_in(&mut intake, save, &mut read, some, &mut [0; 12]).unwrap();
            ControlFlow::Continue(())
        };
        let flood = save("yes", vec!["# a comment"], 16 << 20, watch).map(|_| ());
        assert!(
            matches!(&flood, Err(TablesError::Interrupted { text, .. }) if text.contains("without end")),
            "{flood:?}"
        );
        assert!(read <= 12 * looks, "{read} bytes in {looks} looks");
    }
}
