//! The pages of the metrics server: metrics, and what the daemon tells about itself.
//!
//! Knows nothing of how metrics come about.

mod about;
mod debug;

use std::fmt;
use std::io::{self, Write};

use config::{Config, Gate, Gates};
use flate2::Compression;
use flate2::write::GzEncoder;
use prometheus::proto::MetricFamily;
use prometheus::{Registry, TextEncoder};

use super::answer::{Answer, Request};
use crate::built::Build;
use crate::health::Moment;
use crate::metrics::{Slis, start_time_seconds};

pub(crate) use debug::Debug;

/// The text format that every Prometheus reads.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// Everything that the metrics server can tell.
pub(crate) struct MetricsPages {
    registry: Registry,
    slis: Slis,
    /// The answer to `/proxyMode`.
    mode: String,
    /// The answer to `/configz`.
    configz: String,
    /// The flags by name, if the gate `ComponentFlagz` is on.
    flags: Option<Vec<(&'static str, String)>>,
    /// What was built and when it started, if the gate `ComponentStatusz` is on.
    status: Option<(Build, Moment)>,
    /// Only with `enableProfiling`.
    debug: Option<Debug>,
}

impl MetricsPages {
    /// `flags` are the values of the command line by name; `started` is when the daemon did. The gates decide
    /// which pages exist.
    ///
    /// # Errors
    /// The names of the metrics about checks clash, which does not happen.
    pub(crate) fn new(
        registry: Registry,
        config: &Config,
        gates: &Gates,
        flags: Vec<(&'static str, String)>,
        about: (Build, Moment),
    ) -> prometheus::Result<Self> {
        Ok(Self {
            registry,
            slis: Slis::new()?,
            mode: config.mode.as_str().to_owned(),
            configz: format!("{{\"kubeproxy.config.k8s.io\":{}}}", config.to_json()),
            flags: gates.is_enabled(Gate::ComponentFlagz).then_some(flags),
            status: gates.is_enabled(Gate::ComponentStatusz).then_some(about),
            debug: None,
        })
    }

    /// Adds the pages below `/debug`, for `enableProfiling`.
    pub(crate) fn with_debug(mut self, debug: Debug) -> Self {
        self.debug = Some(debug);
        self
    }

    /// The method does not matter unless the page says so.
    pub(super) fn answer(&self, request: &Request, now: &Moment) -> Answer {
        let page = match (request.path.as_str(), &self.flags, &self.status) {
            ("/healthz", _, _) => Some(self.healthz(request)),
            ("/healthz/ping", _, _) => Some(Answer::text(200, "ok")),
            ("/metrics", _, _) => Some(exposition(&self.registry.gather(), request)),
            ("/metrics/slis", _, _) => Some(self.slis(request)),
            ("/proxyMode", _, _) => Some(Answer::text(200, self.mode.as_str())),
            ("/configz", _, _) => Some(Answer::json(200, self.configz.as_str())),
            ("/flagz", Some(flags), _) => Some(about::flagz(flags, request)),
            ("/statusz", _, Some((build, started))) => {
                Some(about::statusz(build, started, now, self.flags.is_some(), request))
            }
            _ => self.debug.as_ref().and_then(|debug| debug.answer(request)),
        };
        page.unwrap_or_else(Answer::not_found)
    }

    /// Whoever can ask finds all well.
    fn healthz(&self, request: &Request) -> Answer {
        let is_excluded = request.values("exclude").any(|check| check == "ping");
        if !is_excluded {
            self.slis.checked();
        }
        if !request.asks("verbose") {
            return Answer::text(200, "ok");
        }
        let ping = if is_excluded { "ping excluded: ok" } else { "ping ok" };
        Answer::text(200, format!("[+]{ping}\nhealthz check passed\n"))
    }

    fn slis(&self, request: &Request) -> Answer {
        if request.method != "DELETE" {
            return exposition(&self.slis.gather(), request);
        }
        match self.slis.reset() {
            Ok(()) => Answer::text(200, "metrics reset\n"),
            Err(error) => Answer::text(500, format!("{error}\n")),
        }
    }
}

impl fmt::Debug for MetricsPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsPages").field("mode", &self.mode).finish_non_exhaustive()
    }
}

fn exposition(families: &[MetricFamily], request: &Request) -> Answer {
    let text = match TextEncoder::new().encode_to_string(families) {
        Ok(text) => text,
        Err(error) => return Answer::text(500, format!("{error}\n")),
    };
    let start = start_time_seconds().unwrap_or_default();
    let headers =
        vec![("Content-Type", TEXT_FORMAT.to_owned()), ("Process-Start-Time-Unix", format!("{start:.0}"))];
    let answer = Answer { code: 200, headers, body: text.into_bytes() };
    if request.takes_gzip { compressed(answer) } else { answer }
}

fn compressed(answer: Answer) -> Answer {
    match gzip(&answer.body) {
        Ok(body) => Answer { body, ..answer }.with("Content-Encoding", "gzip"),
        Err(_) => answer,
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}
