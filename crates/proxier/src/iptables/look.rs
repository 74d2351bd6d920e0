//! EDGE: iptables-save, whose output is read while it is printed, on another CPU; and before it is asked for, if that was
//! announced.
//!
//! Knows nothing of what the rules are compared with.

use std::fs::File;
use std::io::Seek;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::child::observed;
use super::verdict::failure;
use super::{ended, in_memory, version_of};
use crate::backend::Programs;
use crate::plan::{Found, Intake, Unreadable};
use crate::tables::TablesError;
use crate::version::Version;

/// How long iptables-save may take. 10,000 Services take 1.6 s.
const LIMIT: Duration = Duration::from_secs(60);
/// How often there is a look at what it has printed so far.
const STEP: Duration = Duration::from_millis(5);
/// How much it may print, in bytes. 10,000 Services are 24 megabytes.
const MOST: u64 = 1 << 30;
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

/// Asks for the version, and reads back all rules. The nf_tables variant fetches all tables even for one, so they are
/// asked for together.
pub(super) fn see(programs: Programs) -> Result<Seen, TablesError> {
    let version = version_of(programs.rules);
    let mut intake = Ok(Intake::default());
    let mut position = 0;
    let mut buffer = vec![0; PIECE];
    let mut read = |save: &File| {
        if let Ok(so_far) = &mut intake
            && let Err(error) = take_in(so_far, save, &mut position, &mut buffer)
        {
            intake = Err(error);
        }
    };
    let save = save(programs.save, Vec::new(), &mut read)?;
    read(&save);
    let found = intake.and_then(Intake::finish);
    let found =
        found.map_err(|source| TablesError::Unreadable { command: programs.save.to_owned(), source })?;
    Ok(Seen { version, found })
}

/// Takes in all that was printed since the last time.
fn take_in(
    intake: &mut Intake,
    save: &File,
    position: &mut u64,
    buffer: &mut [u8],
) -> Result<(), Unreadable> {
    loop {
        match save.read_at(buffer, *position)? {
            0 => return Ok(()),
            length => {
                *position += length as u64;
                intake.push(&buffer[..length])?;
            }
        }
    }
}

/// What the tool printed. Meanwhile `watch` is shown it again and again.
///
/// It prints line by line: through a pipe, each line would wake its reader.
pub(super) fn save(
    program: &'static str,
    arguments: Vec<&'static str>,
    mut watch: impl FnMut(&File),
) -> Result<File, TablesError> {
    let command = [&[program], arguments.as_slice()].concat().join(" ");
    let made = in_memory("iptables-save", &[]).and_then(|save| Ok((save.try_clone()?, save)));
    let (out, mut save) = made.map_err(|source| TablesError::Missing { command: command.clone(), source })?;
    let run = move || Command::new(program).args(&arguments).stdout(out).output();
    let look = |_| {
        watch(&save);
        let is_too_much = save.metadata().is_ok_and(|save| save.len() > MOST);
        if is_too_much { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let output = ended(&command, LIMIT, observed(LIMIT, STEP, run, look))?;
    if !output.status.success() {
        return Err(failure(&command, &output, &[]));
    }
    save.rewind().map_err(|source| TablesError::Unreadable { command, source: source.into() })?;
    Ok(save)
}
