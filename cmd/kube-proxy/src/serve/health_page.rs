//! The pages of the health server.
//!
//! Knows nothing of what makes the proxy healthy.

use super::SharedHealth;
use super::answer::{Answer, Request};
use crate::health::Moment;
use crate::metrics::HealthMetrics;

/// Answers, and counts the answer. The method does not matter.
pub(super) fn answer(
    health: &SharedHealth,
    metrics: &HealthMetrics,
    request: &Request,
    now: &Moment,
) -> Answer {
    let verdict = match request.path.as_str() {
        "/healthz" => {
            let verdict = health.lock().healthz(now);
            metrics.answered_healthz(verdict.code);
            verdict
        }
        "/livez" => {
            let verdict = health.lock().livez(now);
            metrics.answered_livez(verdict.code);
            verdict
        }
        _ => return Answer::not_found(),
    };
    Answer::json(verdict.code, verdict.body)
}
