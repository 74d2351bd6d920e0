//! Turns the kernel's notes about the configuration file into the end of the process.
//!
//! Knows nothing of what the file says. A mounted ConfigMap is updated by another file that takes
//! the place of this one; that ends nothing, else all nodes would restart kube-proxy at once.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// The file is written to, cut off or renamed; not: deleted, replaced, or only touched.
const INTERESTING: WatchFlags = WatchFlags::MODIFY.union(WatchFlags::MOVE_SELF);

/// A watch on a file, whatever becomes of the path that led to it. Notes wait until they are read.
#[derive(Debug)]
pub(crate) struct Watch {
    inotify: OwnedFd,
}

/// Why the process must end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    /// Another start would read something else.
    #[error("content of the proxy server's configuration file was updated")]
    Updated,
    /// Nobody would tell if the file changed.
    #[error("can't watch the configuration file: {0}")]
    Broken(io::Error),
}

impl Watch {
    /// Begins to watch the open file, whatever path leads to it by now. What is read from it afterwards cannot change
    /// unnoticed.
    ///
    /// # Errors
    /// The user has too many watches.
    pub(crate) fn place(file: &File) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC)?;
        inotify::add_watch(&inotify, format!("/proc/self/fd/{}", file.as_raw_fd()), INTERESTING)?;
        Ok(Self { inotify })
    }

    /// Tells from a thread of its own when the process must end. The thread ends after that, or with
    /// the process.
    ///
    /// # Errors
    /// No thread could be started.
    pub(crate) fn follow(self, tell: impl FnOnce(Ended) + Send + 'static) -> io::Result<()> {
        let follow = move || tell(self.wait());
        thread::Builder::new().name("config-file".to_owned()).spawn(follow)?;
        Ok(())
    }

    /// Waits, for ever if the file is deleted.
    fn wait(self) -> Ended {
        let mut space = [MaybeUninit::uninit(); 512];
        let mut notes = Reader::new(&self.inotify, &mut space);
        loop {
            match notes.next().map(|note| note.events()) {
                Ok(events) if events.intersects(ReadFlags::MODIFY | ReadFlags::MOVE_SELF) => {
                    return Ended::Updated;
                }
                Ok(events) if events.contains(ReadFlags::QUEUE_OVERFLOW) => {
                    return Ended::Broken(io::Error::other("notes were lost"));
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Ended::Broken(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, FileTimes, OpenOptions, Permissions};
    use std::io::{Read, Write};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;
    use std::sync::mpsc::{self, RecvTimeoutError};
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// A folder with a file `config`, removed in the end.
    struct Folder(PathBuf);

    impl Folder {
        fn of(test: &str) -> Self {
            let folder = Self(std::env::temp_dir().join(format!("kp-config-{}-{test}", std::process::id())));
            fs::create_dir(&folder.0).unwrap();
            fs::write(folder.path("config"), "one").unwrap();
            folder
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    /// Whether a change of the folder ends the process.
    fn check(test: &str, change: impl FnOnce(&Folder), ends: bool) {
        let folder = Folder::of(test);
        let watch = Watch::place(&File::open(folder.path("config")).unwrap()).unwrap();
        let (sender, receiver) = mpsc::channel();
        change(&folder);
        watch.follow(move |ended| sender.send(ended.to_string()).unwrap()).unwrap();
        // Notes of what was done before the thread began are there already.
        match receiver.recv_timeout(Duration::from_millis(if ends { 60_000 } else { 200 })) {
            Ok(text) => {
                assert!(ends, "{test}: {text}");
                assert_eq!(text, "content of the proxy server's configuration file was updated");
            }
            Err(RecvTimeoutError::Timeout) => assert!(!ends, "{test}"),
            Err(RecvTimeoutError::Disconnected) => panic!("{test}: the thread died"),
        }
    }

    #[test]
    fn a_change_in_place_ends_the_process() {
        let append = |folder: &Folder| {
            OpenOptions::new().append(true).open(folder.path("config")).unwrap().write_all(b"x").unwrap();
        };
        check("write", append, true);
        check("truncate", |folder| drop(File::create(folder.path("config")).unwrap()), true);
        check("rename", |folder| fs::rename(folder.path("config"), folder.path("old")).unwrap(), true);
    }

    #[test]
    fn what_leaves_the_content_alone_ends_nothing() {
        check("read", |folder| drop(fs::read(folder.path("config")).unwrap()), false);
        let touch = |folder: &Folder| {
            let file = File::options().write(true).open(folder.path("config")).unwrap();
            let times = FileTimes::new().set_accessed(UNIX_EPOCH).set_modified(UNIX_EPOCH);
            file.set_times(times).unwrap();
        };
        check("touch", touch, false);
        let chmod = |folder: &Folder| {
            fs::set_permissions(folder.path("config"), Permissions::from_mode(0o600)).unwrap();
        };
        check("chmod", chmod, false);
    }

    #[test]
    fn a_file_that_is_replaced_or_deleted_ends_nothing() {
        check("delete", |folder| fs::remove_file(folder.path("config")).unwrap(), false);
        let replace = |folder: &Folder| {
            fs::write(folder.path("new"), "two").unwrap();
            fs::rename(folder.path("new"), folder.path("config")).unwrap();
            fs::write(folder.path("config"), "three").unwrap();
        };
        check("replace", replace, false);
    }

    /// As the kubelet updates a mounted ConfigMap: another folder takes the place of the old one.
    #[test]
    fn a_config_map_that_is_updated_ends_nothing() {
        let folder = Folder::of("config-map");
        for version in ["v1", "v2"] {
            fs::create_dir(folder.path(version)).unwrap();
            fs::write(folder.path(version).join("config.conf"), version).unwrap();
        }
        symlink("v1", folder.path("..data")).unwrap();
        symlink("..data/config.conf", folder.path("config.conf")).unwrap();
        let watch = Watch::place(&File::open(folder.path("config.conf")).unwrap()).unwrap();
        let (sender, receiver) = mpsc::channel();
        watch.follow(move |ended| sender.send(ended.to_string()).unwrap()).unwrap();
        symlink("v2", folder.path("..data_tmp")).unwrap();
        fs::rename(folder.path("..data_tmp"), folder.path("..data")).unwrap();
        fs::remove_dir_all(folder.path("v1")).unwrap();
        assert_eq!(receiver.recv_timeout(Duration::from_millis(200)), Err(RecvTimeoutError::Timeout));
    }

    #[test]
    fn a_link_leads_to_the_file_that_is_watched() {
        let folder = Folder::of("link");
        symlink("config", folder.path("link")).unwrap();
        let watch = Watch::place(&File::open(folder.path("link")).unwrap()).unwrap();
        fs::write(folder.path("config"), "two").unwrap();
        assert!(matches!(watch.wait(), Ended::Updated));
    }

    /// Between the first look at the file and the last step of the start anything may happen.
    #[test]
    fn a_change_before_the_file_is_read_and_one_before_anybody_waits_end_the_process() {
        for is_read in [false, true] {
            let folder = Folder::of(&format!("early-{is_read}"));
            let mut file = File::open(folder.path("config")).unwrap();
            let watch = Watch::place(&file).unwrap();
            let mut text = String::new();
            if is_read {
                file.read_to_string(&mut text).unwrap();
            }
            // What the path leads to by now is not what is read.
            fs::rename(folder.path("config"), folder.path("moved")).unwrap();
            fs::write(folder.path("config"), "other").unwrap();
            fs::write(folder.path("moved"), "two").unwrap();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(text, if is_read { "one" } else { "two" });
            assert!(matches!(watch.wait(), Ended::Updated));
        }
    }
}
