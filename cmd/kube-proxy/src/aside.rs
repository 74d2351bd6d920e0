//! Turns work that takes much memory for a short time into work on a thread of its own.
//!
//! The allocator gives each thread memory of its own: what the work takes and gives back lies apart from what stays, so
//! that nothing keeps its place occupied. Knows nothing of the work.

use std::thread;

/// Does the work on another thread and waits for it; on this one where no other can be started.
pub(crate) fn aside<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let (mut work, mut result) = (Some(work), None);
    let mut run = || result = work.take().map(|work| work());
    let started = thread::scope(|scope| {
        thread::Builder::new().name("full sync".to_owned()).spawn_scoped(scope, &mut run).is_ok()
    });
    if !started {
        run();
    }
    result.expect("the work was done once")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_once_and_elsewhere() {
        let here = thread::current().id();
        let mut times = 0;
        let there = aside(|| {
            times += 1;
            thread::current().id()
        });
        assert_ne!(here, there);
        assert_eq!(times, 1);
    }
}
