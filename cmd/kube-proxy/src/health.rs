//! Turns when each family was asked to sync, and when it did, into the answers of `/healthz`, `/livez` and
//! health-check node ports.
//!
//! Knows no clock and no sockets: the time is an argument, the answers are values.

pub(crate) mod node_port;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use informer::object::Node;
use jiff::Zoned;
use proxier::family::Family;
use serde::Serialize;

/// One point in time, on both clocks.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    /// What durations are measured with.
    pub(crate) instant: Instant,
    /// What people read, in their time zone.
    pub(crate) wall: Zoned,
}

/// Whether this node should get new connections, as its Node object tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Eligibility {
    /// No Node object was seen yet; not eligible.
    #[default]
    Unknown,
    /// The Node object has neither a deletion timestamp nor the taint of the cluster autoscaler.
    Eligible,
    /// The Node object has one of them.
    Leaving,
}

impl Eligibility {
    /// As this Node object tells.
    pub(crate) fn of(node: &Node) -> Self {
        if node.is_leaving { Self::Leaving } else { Self::Eligible }
    }
}

/// How the families do. One that never reported is nobody's concern.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    patience: Duration,
    families: BTreeMap<Family, Pulse>,
    eligibility: Eligibility,
}

#[derive(Clone, Debug, Default)]
struct Pulse {
    /// When a sync succeeded last, or the loop started.
    updated: Option<Moment>,
    /// When a sync was asked for that did not happen since.
    oldest_pending: Option<Instant>,
    /// Since when the loop has been at work without a pause.
    busy: Option<Instant>,
    /// When the first try of what is asked for got on with it last.
    advanced: Option<Instant>,
    /// Whether the loop came to rest without having done what is asked for.
    has_failed: bool,
}

/// Work that gets on may take so many times as long as a request may wait.
const LONG_WORK: u32 = 10;

/// What is said about health, with the code 200 or 503.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// 200 or 503.
    pub(crate) code: u16,
    /// JSON.
    pub(crate) body: String,
}

/// The body of `/healthz` and `/livez`; `nodeEligible` is of `/healthz` alone.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    last_updated: String,
    current_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_eligible: Option<bool>,
    healthy: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    status: BTreeMap<String, Status>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    last_updated: String,
    healthy: bool,
}

impl Health {
    /// A request for a sync may wait for two `sync_period`s (`syncPeriod`).
    pub(crate) fn new(sync_period: Duration) -> Self {
        let patience = sync_period.saturating_mul(2);
        Self { patience, families: BTreeMap::new(), eligibility: Eligibility::Unknown }
    }

    /// A sync was asked for.
    pub(crate) fn queued(&mut self, family: Family, now: Instant) {
        self.families.entry(family).or_default().oldest_pending.get_or_insert(now);
    }

    /// A sync succeeded, or the loop started.
    pub(crate) fn updated(&mut self, family: Family, now: Moment) {
        let pulse = self.families.entry(family).or_default();
        *pulse = Pulse { updated: Some(now), busy: pulse.busy, ..Pulse::default() };
    }

    /// The loop begins to do something.
    pub(crate) fn busy(&mut self, family: Family, now: Instant) {
        self.families.entry(family).or_default().busy = Some(now);
    }

    /// The loop gets on with its work: a tool has done, or refused, what it was given. Work of many steps is no stuck
    /// loop, the first time it is tried.
    pub(crate) fn advanced(&mut self, family: Family, now: Instant) {
        let pulse = self.families.entry(family).or_default();
        pulse.advanced = (!pulse.has_failed).then_some(now);
    }

    /// The loop waits for something to do.
    pub(crate) fn idle(&mut self, family: Family) {
        let pulse = self.families.entry(family).or_default();
        let has_failed = pulse.oldest_pending.is_some() && pulse.advanced.is_some();
        *pulse =
            Pulse { busy: None, advanced: None, has_failed: pulse.has_failed || has_failed, ..pulse.clone() };
    }

    /// The Node object was seen.
    pub(crate) fn set_eligibility(&mut self, eligibility: Eligibility) {
        self.eligibility = eligibility;
    }

    /// Whether every family that reported keeps up with what it is asked for.
    pub(crate) fn is_healthy(&self, now: Instant) -> bool {
        self.families.values().all(|pulse| self.keeps_up(pulse, now))
    }

    /// The answer to `/healthz`: healthy, and the node is not about to go. The body's `healthy` does not tell the
    /// latter; kube-proxy's does not either.
    pub(crate) fn healthz(&self, now: &Moment) -> Verdict {
        let is_eligible = self.eligibility == Eligibility::Eligible;
        self.verdict(now, self.is_healthy(now.instant) && is_eligible, Some(is_eligible))
    }

    /// The answer to `/livez`: healthy.
    pub(crate) fn livez(&self, now: &Moment) -> Verdict {
        self.verdict(now, self.is_healthy(now.instant), None)
    }

    fn keeps_up(&self, pulse: &Pulse, now: Instant) -> bool {
        let since = [pulse.oldest_pending, pulse.busy].into_iter().flatten().min();
        let is_within = |since: Instant, limit| now.saturating_duration_since(since) < limit;
        let is_soon = since.is_none_or(|since| is_within(since, self.patience));
        let gets_on = since.is_none_or(|since| is_within(since, self.patience.saturating_mul(LONG_WORK)))
            && pulse.advanced.is_some_and(|last| is_within(last, self.patience));
        pulse.updated.is_none() || is_soon || gets_on
    }

    fn verdict(&self, now: &Moment, is_ok: bool, node_eligible: Option<bool>) -> Verdict {
        let last_updated = if is_ok { Some(now) } else { self.newest() };
        let body = Body {
            last_updated: last_updated.map_or_else(|| NEVER.to_owned(), |moment| rfc3339(&moment.wall)),
            current_time: rfc3339(&now.wall),
            node_eligible,
            healthy: self.is_healthy(now.instant),
            status: self.status(now.instant),
        };
        let body = serde_json::to_string(&body).expect("plain values make JSON");
        Verdict { code: if is_ok { 200 } else { 503 }, body }
    }

    fn newest(&self) -> Option<&Moment> {
        self.families.values().filter_map(|pulse| pulse.updated.as_ref()).max_by_key(|moment| moment.instant)
    }

    fn status(&self, now: Instant) -> BTreeMap<String, Status> {
        let status = |(family, pulse): (&Family, &Pulse)| {
            let last_updated = rfc3339(&pulse.updated.as_ref()?.wall);
            Some((family.to_string(), Status { last_updated, healthy: self.keeps_up(pulse, now) }))
        };
        self.families.iter().filter_map(status).collect()
    }
}

/// How Go prints a time that was never set.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// RFC 3339 with as many fractional digits as it takes, and `Z` where the offset is zero.
fn rfc3339(time: &Zoned) -> String {
    let timestamp = time.timestamp();
    if time.offset().seconds() == 0 {
        timestamp.to_string()
    } else {
        timestamp.display_with_offset(time.offset()).to_string()
    }
}
