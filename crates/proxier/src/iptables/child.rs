//! A tool is given a time to end in, and killed when it is over.
//!
//! Knows nothing of what the tool does.
#![expect(clippy::disallowed_methods, reason = "a limit of time is measured")]

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::gettid;

use super::said::MOST;

/// How long a process may take to die. One that waits inside the kernel dies only when that lets it go.
const GRACE: Duration = Duration::from_secs(5);
/// How often it is killed meanwhile.
const BLOW: Duration = Duration::from_millis(50);

/// How often there is a look at what a process has printed.
pub(super) const STEP: Duration = Duration::from_millis(10);

/// Why there is no output.
#[derive(Debug)]
pub(crate) enum NoOutput {
    /// The tool could not be started, or not be listened to.
    Io(io::Error),
    /// It did not end in time, and was killed.
    Overdue,
    /// It printed too much, and was killed.
    Stopped,
}

impl From<io::Error> for NoOutput {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Runs `work`, which starts one process and waits for it, and kills that process at the limit, or when it prints
/// without end.
///
/// The work has a thread of its own: the processes that are to be killed are the children of that thread.
pub(crate) fn within<T: Send + 'static, E: Into<NoOutput> + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, NoOutput> {
    observed(limit, STEP, work, listen)
}

/// The same, and has a look at the thread that the process is a child of after each `step` that it takes; the look may
/// put an end to it.
pub(super) fn observed<T: Send + 'static, E: Into<NoOutput> + 'static>(
    limit: Duration,
    step: Duration,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
    mut look: impl FnMut(Pid) -> ControlFlow<()>,
) -> Result<T, NoOutput> {
    let deadline = Instant::now() + limit;
    let (sender, ended) = mpsc::channel();
    let (name, named) = mpsc::channel();
    let run = move || {
        // Nobody waits any more if the process outlived the signal.
        let _named = name.send(gettid());
        let _ended = sender.send(work().map_err(Into::into));
    };
    thread::Builder::new().name("tool".to_owned()).spawn(run).map_err(NoOutput::Io)?;
    let thread = named.recv().map_err(|_| panicked())?;
    let why = loop {
        // What a look takes counts as well.
        let left = deadline.saturating_duration_since(Instant::now());
        match ended.recv_timeout(step.min(left)) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Disconnected) => return Err(panicked()),
            Err(RecvTimeoutError::Timeout) if left <= step => break NoOutput::Overdue,
            Err(RecvTimeoutError::Timeout) if look(thread).is_break() => break NoOutput::Stopped,
            Err(RecvTimeoutError::Timeout) => {}
        }
    };
    put_to_death(thread, &ended);
    Err(why)
}

fn panicked() -> NoOutput {
    NoOutput::Io(io::Error::other("the thread panicked"))
}

/// Kills the children of a thread, again and again until it has ended: it may just be about to start one. Dead processes
/// leave the process table only when their thread has waited for them.
fn put_to_death<T>(thread: Pid, ended: &Receiver<Result<T, NoOutput>>) {
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline {
        for child in children(thread) {
            // It may have ended by itself.
            let _gone = kill_process(child, Signal::KILL);
        }
        if !matches!(ended.recv_timeout(BLOW), Err(RecvTimeoutError::Timeout)) {
            return;
        }
    }
}

/// The processes that a thread of this process started.
pub(super) fn children(thread: Pid) -> Vec<Pid> {
    let path = format!("/proc/self/task/{}/children", thread.as_raw_nonzero());
    let children = fs::read_to_string(path).unwrap_or_default();
    children.split_ascii_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

/// Puts an end to who prints without end. Those who keep all that a process prints have no limit of their own.
pub(super) fn listen(thread: Pid) -> ControlFlow<()> {
    let printed: usize = children(thread).into_iter().map(printed).sum();
    if printed > MOST { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// How many bytes a process has written, to wherever; zero where the kernel does not count them.
fn printed(process: Pid) -> usize {
    let counts = fs::read_to_string(format!("/proc/{}/io", process.as_raw_nonzero())).unwrap_or_default();
    let written = counts.lines().find_map(|line| line.strip_prefix("wchar: "));
    written.and_then(|bytes| bytes.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests of processes start processes and wait for them")]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_ends_in_time_is_heard() {
        let output = within(Duration::from_secs(60), || Command::new("echo").arg("done").output()).unwrap();
        assert_eq!(output.stdout, b"done\n");
    }

    #[test]
    fn what_hangs_is_killed_and_reaped() {
        let begin = Instant::now();
        let hanging = within(Duration::from_secs(2), || Command::new("sleep").arg("1000").output());
        assert!(matches!(hanging, Err(NoOutput::Overdue)));
        assert!(begin.elapsed() < Duration::from_secs(100));
        let children: String = fs::read_dir("/proc/self/task")
            .unwrap()
            .filter_map(|task| fs::read_to_string(task.unwrap().path().join("children")).ok())
            .collect();
        let is_sleep =
            |pid: &str| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n");
        assert!(!children.split_ascii_whitespace().any(is_sleep), "{children}");
    }

    /// What is started when the time is over is killed, too.
    #[test]
    fn who_comes_late_is_killed() {
        let (sender, started) = mpsc::channel();
        let late = move || {
            thread::sleep(Duration::from_millis(100));
            let mut child = Command::new("sleep").arg("1000").spawn()?;
            sender.send(child.id()).unwrap();
            child.wait()
        };
        let late = within(Duration::from_millis(1), late);
        assert!(matches!(late, Err(NoOutput::Overdue)));
        let process = started.recv_timeout(Duration::from_secs(60)).unwrap();
        let is_gone = || !fs::exists(format!("/proc/{process}")).unwrap();
        assert!(is_gone(), "{process} is still there");
    }

    /// Looks that take long do not prolong it.
    #[test]
    fn the_time_of_looks_counts() {
        let (begin, limit) = (Instant::now(), Duration::from_secs(2));
        let mut looks = 0;
        let look = |_| {
            looks += 1;
            thread::sleep(limit / 4);
            ControlFlow::Continue(())
        };
        let hanging = || Command::new("tail").args(["-f", "/dev/null"]).output();
        let hanging = observed(limit, Duration::from_millis(1), hanging, look);
        assert!(matches!(hanging, Err(NoOutput::Overdue)));
        assert!(looks <= 4, "{looks} looks in {:?}", begin.elapsed());
    }

    #[test]
    fn whoever_watches_can_stop_it() {
        let hanging = || Command::new("tail").args(["-f", "/dev/null"]).output();
        let look = |_| ControlFlow::Break(());
        let stopped = observed(Duration::from_secs(1000), Duration::from_millis(10), hanging, look);
        assert!(matches!(stopped, Err(NoOutput::Stopped)));
    }

    /// Also where all that it prints is kept.
    #[test]
    fn what_prints_without_end_is_killed() {
        let flood = within(Duration::from_secs(1000), || Command::new("yes").output());
        assert!(matches!(flood, Err(NoOutput::Stopped)), "{:?}", flood.map(|output| output.status));
    }

    #[test]
    fn what_cannot_be_started_is_an_error() {
        let missing = within(Duration::from_secs(60), || Command::new("no-such-tool").output());
        assert!(matches!(missing, Err(NoOutput::Io(error)) if error.kind() == io::ErrorKind::NotFound));
    }
}
