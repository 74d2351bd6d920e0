//! Turns what the kernel tells of a tool that sleeps into how long it waited for the lock of the legacy variant.
//!
//! Knows nothing of who holds it. The tool waits for itself, in turn with others; it is only watched.

use std::cell::Cell;
use std::fs;
use std::process::Output;
use std::time::Duration;

use nix::libc::SYS_flock;
use rustix::process::Pid;

use super::child::{NoOutput, STEP, children, listen, observed};

/// As [`super::child::within`]; adds to `waited` for how long the process had to wait for a lock, as exactly as it is
/// looked at.
pub(super) fn within<E: Into<NoOutput> + 'static>(
    limit: Duration,
    waited: &Cell<Duration>,
    work: impl FnOnce() -> Result<Output, E> + Send + 'static,
) -> Result<Output, NoOutput> {
    observed(limit, STEP, work, |thread| {
        look(thread, waited);
        listen(thread)
    })
}

fn look(thread: Pid, waited: &Cell<Duration>) {
    if children(thread).into_iter().any(waits) {
        waited.set(waited.get() + STEP);
    }
}

/// Whether a process sleeps because somebody else holds a lock. In a container `/proc/locks` would not tell: it leaves
/// out locks, and whoever waits for them, that are held by processes outside of it.
fn waits(process: Pid) -> bool {
    let told = |file| fs::read_to_string(format!("/proc/{}/{file}", process.as_raw_nonzero()));
    told("syscall").is_ok_and(|text| is_call_for_lock(&text))
        || told("wchan").is_ok_and(|text| is_wait_for_lock(&text))
}

/// The system call in which it sleeps, by number, and its arguments. Only who may trace the process can read it.
fn is_call_for_lock(syscall: &str) -> bool {
    syscall.split(' ').next().and_then(|number| number.parse().ok()) == Some(SYS_flock)
}

/// The function of the kernel in which it sleeps; less is needed to read it, but it may be named otherwise some day.
fn is_wait_for_lock(wchan: &str) -> bool {
    wchan.ends_with("lock_inode_wait")
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test of processes starts one and waits for it")]
mod tests {
    use std::fs::File;
    use std::ops::ControlFlow;
    use std::process::Command;

    use rustix::fs::{FlockOperation, flock};

    use super::*;

    #[test]
    fn only_who_sleeps_for_a_lock_waits() {
        let syscalls = [
            format!("{SYS_flock} 0x3 0x2 0x0 0x1b6 0x7ffd0ee221e0 0x0 0x7ffd0ee221a8 0x7ff6e5186897\n"),
            format!("{SYS_flock}0 0x3 0x2 0x0 0x1b6 0x7ffd0ee221e0 0x0 0x7ffd0ee221a8 0x7ff6e5186897\n"),
            "running\n".to_owned(),
            "-1 0x7ffd0ee221a8 0x7ff6e5186897\n".to_owned(),
            String::new(),
        ];
        assert_eq!(syscalls.map(|text| is_call_for_lock(&text)), [true, false, false, false, false]);
        let functions = ["locks_lock_inode_wait", "flock_lock_inode_wait", "do_wait", "0", ""];
        assert_eq!(functions.map(is_wait_for_lock), [true, true, false, false, false]);
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
