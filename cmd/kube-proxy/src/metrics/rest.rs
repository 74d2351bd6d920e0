//! Turns requests to the API server into the metrics that client-go has for them.
//!
//! Knows nothing of what is asked for. `host` is `name:port` of the server, `method` and `verb` are that of HTTP.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec, Result};

use super::bucket;
use super::register::Register;

/// Requests to the API server. Clones record into the same metrics.
#[derive(Clone, Debug)]
pub(crate) struct RestMetrics {
    requests: IntCounterVec,
    retries: IntCounterVec,
    durations: HistogramVec,
    waits: HistogramVec,
    request_sizes: HistogramVec,
    response_sizes: HistogramVec,
}

/// A request with its complete answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// From the request to the end of the answer.
    pub(crate) elapsed: Duration,
    /// Bytes of the request's body.
    pub(crate) request_bytes: u64,
    /// Bytes of the answer's body.
    pub(crate) response_bytes: u64,
}

impl RestMetrics {
    pub(super) fn new(register: &Register) -> Result<Self> {
        let histograms =
            |name, help, buckets: Vec<f64>| register.histograms(name, help, &["verb", "host"], buckets);
        Ok(Self {
            requests: register.counters(
                "rest_client_requests_total",
                "[ALPHA] Answers of the API server, and requests that got none",
                &["code", "method", "host"],
            )?,
            retries: register.counters(
                "rest_client_request_retries_total",
                "[ALPHA] Requests to the API server that were sent once more",
                &["code", "verb", "host"],
            )?,
            durations: histograms(
                "rest_client_request_duration_seconds",
                "[ALPHA] Seconds that requests to the API server took, watches aside",
                bucket::request(),
            )?,
            waits: histograms(
                "rest_client_rate_limiter_duration_seconds",
                "[ALPHA] Seconds that requests to the API server were held back, watches aside",
                bucket::request(),
            )?,
            request_sizes: histograms(
                "rest_client_request_size_bytes",
                "[ALPHA] Bytes that were sent to the API server per request, watches aside",
                bucket::size(),
            )?,
            response_sizes: histograms(
                "rest_client_response_size_bytes",
                "[ALPHA] Bytes that the API server sent per answer, watches aside",
                bucket::size(),
            )?,
        })
    }

    /// The server answered, be it with the start of a watch; `code` is absent if the transport failed.
    pub(crate) fn answered(&self, method: &str, host: &str, code: Option<u16>) {
        let code = code.map_or("<error>".to_owned(), |code| code.to_string());
        self.requests.with_label_values(&[code.as_str(), method, host]).inc();
    }

    /// A request that is not a watch has its complete answer.
    pub(crate) fn completed(&self, verb: &str, host: &str, exchange: Exchange) {
        let Exchange { elapsed, request_bytes, response_bytes } = exchange;
        for (histograms, value) in [
            (&self.durations, elapsed.as_secs_f64()),
            (&self.request_sizes, bytes(request_bytes)),
            (&self.response_sizes, bytes(response_bytes)),
        ] {
            histograms.with_label_values(&[verb, host]).observe(value);
        }
    }

    /// A request that is not a watch was held back, perhaps for no time at all.
    pub(crate) fn held_back(&self, verb: &str, host: &str, wait: Duration) {
        self.waits.with_label_values(&[verb, host]).observe(wait.as_secs_f64());
    }

    /// A request is sent once more, because of this answer; `code` is absent if the transport failed.
    pub(crate) fn retried(&self, verb: &str, host: &str, code: Option<u16>) {
        let code = code.map_or("<error>".to_owned(), |code| code.to_string());
        self.retries.with_label_values(&[code.as_str(), verb, host]).inc();
    }
}

/// Exact below 2^53.
fn bytes(count: u64) -> f64 {
    count as f64
}
