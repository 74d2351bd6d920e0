//! Turns requests to the API server into the metrics that client-go has for them.
//!
//! Knows nothing of what is asked for.

use informer::api::Exchange;
use prometheus::{HistogramVec, IntCounterVec, Result};

use super::bucket;
use super::register::Register;

/// Requests to the API server. Clones record into the same metrics.
#[derive(Clone, Debug)]
pub(crate) struct RestMetrics {
    requests: IntCounterVec,
    durations: HistogramVec,
    waits: HistogramVec,
    sent: HistogramVec,
    received: HistogramVec,
}

impl RestMetrics {
    pub(super) fn new(register: &Register) -> Result<Self> {
        Ok(Self {
            requests: register.counters(
                "rest_client_requests_total",
                "[ALPHA] Answers of the API server, and requests that got none",
                &["code", "method", "host"],
            )?,
            durations: register.histograms(
                "rest_client_request_duration_seconds",
                "[ALPHA] Seconds that requests to the API server took, watches aside",
                &["verb", "host"],
                bucket::request(),
            )?,
            waits: register.histograms(
                "rest_client_rate_limiter_duration_seconds",
                "[ALPHA] Seconds that requests to the API server were held back, watches aside",
                &["verb", "host"],
                bucket::request(),
            )?,
            sent: register.histograms(
                "rest_client_request_size_bytes",
                "[ALPHA] Bytes that requests to the API server carried, watches aside",
                &["verb", "host"],
                bucket::size(),
            )?,
            received: register.histograms(
                "rest_client_response_size_bytes",
                "[ALPHA] Bytes of the API server's answers, watches aside",
                &["verb", "host"],
                bucket::size(),
            )?,
        })
    }

    /// A request was answered, if only with the start of a watch, or failed to reach the server.
    pub(crate) fn requested(&self, exchange: &Exchange) {
        let (method, host) = (exchange.method.as_str(), exchange.host.as_str());
        let code = exchange.code.map_or("<error>".to_owned(), |code| code.to_string());
        self.requests.with_label_values(&[code.as_str(), method, host]).inc();
        if exchange.is_watch {
            return;
        }
        let labels = [method, host];
        self.durations.with_label_values(&labels).observe(exchange.took.as_secs_f64());
        self.waits.with_label_values(&labels).observe(exchange.waited.as_secs_f64());
        if exchange.sent > 0 {
            self.sent.with_label_values(&labels).observe(exchange.sent as f64);
        }
        if let Some(received) = exchange.received {
            self.received.with_label_values(&labels).observe(received as f64);
        }
    }
}
