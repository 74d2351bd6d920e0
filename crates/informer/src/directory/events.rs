//! Turns the kernel's notes about a directory into moments at which to look at its files.
//!
//! Knows nothing of which files are manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// Notes that follow each other this closely belong together.
const QUIET: Duration = Duration::from_millis(20);
/// After this long the files are looked at, quiet or not.
const LONGEST_GATHER: Duration = Duration::from_millis(200);
/// A writer that pauses for this long without closing the file is taken to be done.
const LONGEST_WRITE_PAUSE: Duration = Duration::from_secs(2);
/// How often to look without a note: nothing is noted of files behind a symbolic link, nor of a
/// directory that is made again.
const RECHECK: Duration = Duration::from_secs(2);

const INTERESTING: WatchFlags = WatchFlags::ATTRIB
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::ONLYDIR);

/// Why a wait ended.
pub(super) enum Woken {
    /// It shall end for good.
    Stopped,
    /// The directory is not there.
    Lost(io::Error),
    /// It is time to look at the files.
    Touched(Touched),
}

/// Which files to look at more closely.
#[derive(Debug, Default)]
pub(super) struct Touched {
    names: BTreeSet<OsString>,
    everything: bool,
    being_written: BTreeSet<OsString>,
}

impl Touched {
    /// Whether the file must be read again even if it looks the same.
    pub(super) fn contains(&self, name: &OsStr) -> bool {
        self.everything || self.names.contains(name)
    }

    /// Whether somebody has the file open and is not done.
    pub(super) fn is_being_written(&self, name: &OsStr) -> bool {
        self.being_written.contains(name)
    }
}

/// A watch on one directory, wherever its path leads.
pub(super) struct Events {
    directory: PathBuf,
    inotify: OwnedFd,
    /// The watch and the directory it is on; none while there is no directory.
    attached: Option<(i32, FileId)>,
    touched: Touched,
    /// When files that are open for writing were last written to.
    writing: BTreeMap<OsString, Instant>,
}

/// Device and inode.
type FileId = (u64, u64);

impl Events {
    /// Watches `directory`.
    pub(super) fn of(directory: &Path) -> io::Result<Self> {
        let mut events = Self {
            directory: directory.to_owned(),
            inotify: inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?,
            attached: None,
            touched: Touched::default(),
            writing: BTreeMap::new(),
        };
        events.attach()?;
        Ok(events)
    }

    /// Waits until something has happened and is over, or until it is time to look again anyway.
    pub(super) fn gather(&mut self, stop: BorrowedFd<'_>) -> io::Result<Woken> {
        if !self.settle(stop, RECHECK)? {
            return Ok(Woken::Stopped);
        }
        match self.attach() {
            Ok(true) => {
                // Whoever made the directory again is about to fill it.
                if !self.settle(stop, QUIET)? {
                    return Ok(Woken::Stopped);
                }
            }
            Ok(false) => {}
            Err(error) => return Ok(Woken::Lost(error)),
        }
        Ok(Woken::Touched(self.take_touched()))
    }

    /// Waits for a first note for as long as `patience`, then until they cease. False: stopped.
    fn settle(&mut self, stop: BorrowedFd<'_>, patience: Duration) -> io::Result<bool> {
        let mut patience = patience;
        let mut end = None;
        loop {
            match wait(stop, &self.inotify, patience)? {
                Ready::Stop => return Ok(false),
                Ready::Nothing => return Ok(true),
                Ready::Notes => self.read_notes()?,
            }
            let now = Instant::now();
            let end = *end.get_or_insert(now + LONGEST_GATHER);
            if now >= end {
                return Ok(true);
            }
            patience = QUIET.min(end - now);
        }
    }

    /// Moves the watch to where the path leads, and says whether it was elsewhere.
    fn attach(&mut self) -> io::Result<bool> {
        let metadata = fs::metadata(&self.directory)?;
        let id = (metadata.dev(), metadata.ino());
        if self.attached.is_some_and(|(_, attached)| attached == id) {
            return Ok(false);
        }
        if let Some((watch, _)) = self.attached.take() {
            // Fails if the kernel has removed it already.
            let _ = inotify::remove_watch(&self.inotify, watch);
        }
        let watch = inotify::add_watch(&self.inotify, &self.directory, INTERESTING)?;
        self.attached = Some((watch, id));
        self.touched.everything = true;
        self.writing.clear();
        Ok(true)
    }

    fn read_notes(&mut self) -> io::Result<()> {
        let inotify = self.inotify.try_clone()?;
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut reader = Reader::new(inotify, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                    self.note(event.wd(), event.events(), name);
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn note(&mut self, watch: i32, events: ReadFlags, name: Option<&OsStr>) {
        if events.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.touched.everything = true;
            self.writing.clear();
        }
        if self.attached.is_none_or(|(attached, _)| attached != watch) {
            return;
        }
        if events.contains(ReadFlags::IGNORED) {
            self.attached = None;
        }
        let Some(name) = name else { return };
        self.touched.names.insert(name.to_owned());
        if events.contains(ReadFlags::MODIFY) || (events.contains(ReadFlags::CREATE) && self.is_fresh(name)) {
            self.writing.insert(name.to_owned(), Instant::now());
        } else if !events.contains(ReadFlags::ATTRIB) {
            self.writing.remove(name);
        }
    }

    /// Whether a name that appeared is a file that its maker has open: a link has nothing to be
    /// closed.
    fn is_fresh(&self, name: &OsStr) -> bool {
        let metadata = fs::symlink_metadata(self.directory.join(name));
        metadata.is_ok_and(|metadata| metadata.is_file() && metadata.nlink() == 1)
    }

    fn take_touched(&mut self) -> Touched {
        self.writing.retain(|_, written| written.elapsed() < LONGEST_WRITE_PAUSE);
        let being_written: BTreeSet<OsString> = self.writing.keys().cloned().collect();
        let touched = std::mem::take(&mut self.touched);
        // What is not looked at this time must be looked at closely when it is done.
        self.touched.names = touched.names.intersection(&being_written).cloned().collect();
        Touched { being_written, ..touched }
    }
}

enum Ready {
    Stop,
    Notes,
    Nothing,
}

fn wait(stop: BorrowedFd<'_>, inotify: &OwnedFd, patience: Duration) -> io::Result<Ready> {
    let mut ready = [PollFd::from_borrowed_fd(stop, PollFlags::IN), PollFd::new(inotify, PollFlags::IN)];
    let timeout = Timespec::try_from(patience).map_err(io::Error::other)?;
    match poll(&mut ready, Some(&timeout)) {
        Ok(_) if !ready[0].revents().is_empty() => Ok(Ready::Stop),
        Ok(_) if !ready[1].revents().is_empty() => Ok(Ready::Notes),
        Ok(_) | Err(Errno::INTR) => Ok(Ready::Nothing),
        Err(error) => Err(error.into()),
    }
}
