//! Turns a panic, of whatever thread, into a line of the log and the end of the process.
//!
//! Knows nothing of who panicked: half a daemon would be worse than one that is started anew.

use std::panic::{self, PanicHookInfo};
use std::process;
use std::thread;

use tracing::error;

/// The exit code, as of a Go program.
const CODE: i32 = 2;

/// From here on a panic is told and ends the process.
pub(crate) fn end_at_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        tell(panic);
        print(panic);
        process::exit(CODE);
    }));
}

fn tell(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    error!(panic = panic.payload_as_str().unwrap_or("unknown"), location, thread, "Observed a panic");
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "what ends the process is tested in another one")]
mod tests {
    use std::env;
    use std::process::Command;

    use super::*;

    /// The variable that makes this very test panic.
    const PANIC: &str = "KUBE_PROXY_TEST_PANIC";

    #[test]
    fn a_panic_of_any_thread_is_told_and_ends_the_process() {
        if env::var_os(PANIC).is_some() {
            crate::log::init_early();
            end_at_panics();
            let work = || panic!("no \"beans\" left");
            let _never = thread::Builder::new().name("kitchen".to_owned()).spawn(work).unwrap().join();
            return;
        }
        let mut again = Command::new(env::current_exe().unwrap());
        again.args([
            "--exact",
            "--nocapture",
            "crash::tests::a_panic_of_any_thread_is_told_and_ends_the_process",
        ]);
        let output = again.env(PANIC, "1").output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(CODE), "{stderr}");
        let told = r#""Observed a panic" panic="no \"beans\" left" location="cmd/kube-proxy/src/crash.rs:"#;
        let line = stderr.lines().find(|line| line.contains(told)).unwrap_or_else(|| panic!("{stderr}"));
        assert!(line.starts_with('E') && line.ends_with(r#"thread="kitchen""#), "{line}");
    }
}
