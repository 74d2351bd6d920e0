//! The pages below `/debug`: the log's level may be changed, and profiling is refused with a reason.
//!
//! Knows nothing of the log: the caller says how its level is set.

use std::fmt;

use super::super::answer::{Answer, Request};

const NO_PROFILES: &str = "This kube-proxy is not a Go program and has no Go profiles. It can be profiled from outside, \
    for example on its node with: perf record -g -p $(pidof kube-proxy)\n";
const INDEX: &str = "<html><head><title>/debug/flags</title></head>\
    <body>PUT a number to <a href=\"/debug/flags/v\">/debug/flags/v</a> to set the level of the log.</body></html>\n";

/// What the pages below `/debug` can do.
pub(crate) struct Debug {
    set_verbosity: Box<dyn Fn(u32) + Send + Sync>,
}

impl Debug {
    /// `set_verbosity` changes `logging.verbosity` while the process runs.
    pub(crate) fn new(set_verbosity: impl Fn(u32) + Send + Sync + 'static) -> Self {
        Self { set_verbosity: Box::new(set_verbosity) }
    }

    /// Absent if there is no such page.
    pub(super) fn answer(&self, request: &Request) -> Option<Answer> {
        match request.path.as_str() {
            "/debug/flags" => Some(index()),
            "/debug/flags/v" => Some(self.verbosity(request)),
            "/debug/pprof" => Some(Answer::text(501, NO_PROFILES)),
            path if path.starts_with("/debug/pprof/") => Some(Answer::text(501, NO_PROFILES)),
            _ => None,
        }
    }

    fn verbosity(&self, request: &Request) -> Answer {
        if request.method != "PUT" {
            return Answer::text(406, "unsupported http method\n");
        }
        let text = String::from_utf8_lossy(&request.body);
        match text.parse::<i32>().map(u32::try_from) {
            Ok(Ok(level)) => {
                (self.set_verbosity)(level);
                Answer::text(200, format!("successfully set klog.logging.verbosity to {level}\n"))
            }
            Ok(Err(_)) => Answer::text(400, format!("{text:?} is less than 0\n")),
            Err(error) => Answer::text(400, format!("{text:?} is not a level of the log: {error}\n")),
        }
    }
}

impl fmt::Debug for Debug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Debug")
    }
}

fn index() -> Answer {
    let headers = vec![("Content-Type", "text/html; charset=utf-8".to_owned())];
    Answer { code: 200, headers, body: INDEX.into() }
}
