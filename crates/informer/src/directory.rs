//! Turns a directory of YAML and JSON files into batches of changes, once or for as long as it takes.
//!
//! The edge to the file system. Knows nothing of what the files say. Read are `*.yaml`, `*.yml` and
//! `*.json` that do not start with a dot; symbolic links are followed, directories are not entered.

#![expect(clippy::disallowed_methods, reason = "waits for writers to be done, so it reads the clock")]

mod events;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::change::{Batch, Change};
use crate::manifest::Manifests;
use crate::object::Complaint;

use events::{Events, Touched, Woken};

#[cfg(test)]
mod tests;

/// The longest file that is read, in bytes.
const LONGEST_FILE: u64 = 64 << 20;

/// Everything in `directory` at this moment, ending with [`Change::Synced`].
///
/// # Errors
/// When the directory cannot be listed. A file that cannot be read is a complaint.
pub fn load(directory: &Path) -> io::Result<Batch> {
    let mut files = Files::new(directory);
    files.scan(&Touched::default())?;
    Ok(files.initial())
}

/// Delivers everything in `directory`, ending with [`Change::Synced`], and from then on what changes,
/// until `deliver` breaks or `stop` becomes readable or is closed at its other end.
///
/// Blocks the thread. A file or a document that cannot be read keeps what it last said; so does the
/// whole directory while it is gone. Nothing is delivered when nothing changed.
///
/// # Errors
/// When the directory cannot be listed or watched at the start, or when waiting fails.
pub fn watch(
    directory: &Path,
    stop: impl AsFd,
    mut deliver: impl FnMut(Batch) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut events = Events::of(directory)?;
    let mut files = Files::new(directory);
    files.scan(&Touched::default())?;
    let mut batch = files.initial();
    loop {
        if !batch.is_empty() && deliver(batch).is_break() {
            return Ok(());
        }
        match events.gather(stop.as_fd())? {
            Woken::Stopped => return Ok(()),
            Woken::Lost(error) => batch = files.lost(&error),
            Woken::Touched(touched) => batch = files.refresh(&touched),
        }
    }
}

/// The files of the directory as they were last read.
struct Files {
    directory: PathBuf,
    /// None: could not be read.
    stamps: BTreeMap<OsString, Option<Stamp>>,
    manifests: Manifests,
    is_lost: bool,
}

impl Files {
    fn new(directory: &Path) -> Self {
        let directory = directory.to_owned();
        Self { directory, stamps: BTreeMap::new(), manifests: Manifests::default(), is_lost: false }
    }

    fn initial(&mut self) -> Batch {
        let mut batch = self.manifests.changes();
        batch.changes.push(Change::Synced);
        batch
    }

    fn refresh(&mut self, touched: &Touched) -> Batch {
        match self.scan(touched) {
            Ok(()) => {
                self.is_lost = false;
                self.manifests.changes()
            }
            Err(error) => self.lost(&error),
        }
    }

    /// The directory cannot be listed: said once, and everything stays as it is.
    fn lost(&mut self, error: &io::Error) -> Batch {
        let mut batch = Batch::default();
        if !self.is_lost {
            self.is_lost = true;
            let reason = format!("cannot be listed, everything stays as it is: {error}");
            batch.complaints.push(Complaint::new(self.directory.display(), "", "", reason));
        }
        batch
    }

    /// Reads what is new or different, and forgets what is gone.
    fn scan(&mut self, touched: &Touched) -> io::Result<()> {
        let names = manifest_names(&self.directory)?;
        let gone: Vec<OsString> = self.stamps.keys().filter(|name| !names.contains(*name)).cloned().collect();
        for name in gone {
            self.remove(&name);
        }
        for name in names.iter().filter(|name| !touched.is_being_written(name)) {
            self.look_at(name, touched.contains(name));
        }
        Ok(())
    }

    fn remove(&mut self, name: &OsStr) {
        self.stamps.remove(name);
        self.manifests.remove(name);
    }

    /// Reads a file if it was `touched` or looks different; what is no file is as good as gone.
    fn look_at(&mut self, name: &OsStr, touched: bool) {
        let path = self.directory.join(name);
        let stamp = match fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => return self.remove(name),
            Ok(metadata) => Some(Stamp::of(&metadata)),
            // Deleted since the directory was listed; a link that leads nowhere is still there.
            Err(_) if fs::symlink_metadata(&path).is_err() => return self.remove(name),
            Err(_) => None,
        };
        let known = self.stamps.insert(name.to_owned(), stamp);
        if stamp.is_some() && known == Some(stamp) && !touched {
            return;
        }
        match read(&path) {
            Ok(bytes) => self.manifests.put(name, &bytes),
            Err(error) => {
                self.stamps.insert(name.to_owned(), None);
                self.manifests.put_unreadable(name, &format!("cannot be read: {error}"));
            }
        }
    }
}

fn manifest_names(directory: &Path) -> io::Result<BTreeSet<OsString>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if is_manifest(&name) {
            names.insert(name);
        }
    }
    Ok(names)
}

fn is_manifest(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    let extension = Path::new(name).extension().and_then(OsStr::to_str);
    !bytes.starts_with(b".") && matches!(extension, Some("yaml" | "yml" | "json"))
}

/// Without blocking, should the file have become a pipe.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(io::Error::other(format!("longer than {LONGEST_FILE} bytes")));
    }
    Ok(bytes)
}

/// What differs when a file was written or exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
