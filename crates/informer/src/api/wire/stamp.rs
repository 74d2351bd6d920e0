//! Turns files into stamps that differ when the files have changed.
//!
//! Knows nothing of what is in them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// A file as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    path: PathBuf,
    /// Device, inode, size and time; none of a file that is not there.
    seen: Option<(u64, u64, u64, i64, i64)>,
}

impl Stamp {
    /// To be taken before the file is read: whatever happens to it from then on shows.
    pub(super) fn of(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let seen = fs::metadata(&path).ok().map(|metadata| {
            (metadata.dev(), metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec())
        });
        Self { path, seen }
    }

    /// Whether the file is another one, or changed, since then.
    pub(super) fn is_outdated(&self) -> bool {
        *self != Self::of(&self.path)
    }
}
