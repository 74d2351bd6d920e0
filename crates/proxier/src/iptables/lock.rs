//! Turns what the kernel tells of file locks into how long a tool waited for the one of the legacy variant.
//!
//! Knows nothing of who holds it. The tool waits for itself, in turn with others; it is only watched.

use std::cell::Cell;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::process::Output;
use std::time::Duration;

use rustix::process::Pid;

use super::child::{NoOutput, children, observed};

/// How often a tool is looked at, and so how exact the time is.
const STEP: Duration = Duration::from_millis(10);

/// As [`super::child::within`]; adds to `waited` for how long the process had to wait for a lock.
pub(super) fn within(
    limit: Duration,
    waited: &Cell<Duration>,
    work: impl FnOnce() -> io::Result<Output> + Send + 'static,
) -> Result<Output, NoOutput> {
    observed(limit, STEP, work, |thread| {
        look(thread, waited);
        ControlFlow::Continue(())
    })
}

fn look(thread: Pid, waited: &Cell<Duration>) {
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    if children(thread).into_iter().any(|process| waits(&locks, process)) {
        waited.set(waited.get() + STEP);
    }
}

/// Whether `/proc/locks` has the process among those that wait: `2: -> FLOCK  ADVISORY  WRITE 4711 00:19:1 0 EOF`.
fn waits(locks: &str, process: Pid) -> bool {
    let process = process.as_raw_nonzero().to_string();
    let mut waiting = locks.lines().filter_map(|line| line.split_once("->"));
    waiting.any(|(_, lock)| lock.split_ascii_whitespace().nth(3) == Some(process.as_str()))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test of processes starts one and waits for it")]
mod tests {
    use std::fs::File;
    use std::process::Command;

    use rustix::fs::{FlockOperation, flock};

    use super::*;

    const LOCKS: &str = "\
1: FLOCK  ADVISORY  WRITE 4711 00:19:1184 0 EOF
1: -> FLOCK  ADVISORY  WRITE 4712 00:19:1184 0 EOF
1:  -> FLOCK  ADVISORY  WRITE 4713 00:19:1184 0 EOF
2: POSIX  ADVISORY  READ  4714 00:19:1185 0 EOF
";

    #[test]
    fn only_who_is_blocked_waits() {
        let waiting = [4711, 4712, 4713, 4714, 471].map(|pid| waits(LOCKS, Pid::from_raw(pid).unwrap()));
        assert_eq!(waiting, [false, true, true, false, false]);
    }

    #[test]
    fn the_time_until_the_lock_is_given_back_counts() {
        let path = std::env::temp_dir().join(format!("lock-{}", std::process::id()));
        let held = File::create(&path).unwrap();
        flock(&held, FlockOperation::LockExclusive).unwrap();
        let (waited, tool) = (Cell::new(Duration::ZERO), path.clone());
        let work = move || Command::new("flock").arg(tool).arg("true").output();
        // The lock is held until somebody was seen to wait for it.
        let output = observed(Duration::from_secs(100), STEP, work, |thread| {
            look(thread, &waited);
            if waited.get() > Duration::ZERO {
                flock(&held, FlockOperation::Unlock).unwrap();
            }
            ControlFlow::Continue(())
        });
        fs::remove_file(path).unwrap();
        assert!(output.unwrap().status.success());
        assert!(waited.get() >= STEP);
    }
}
