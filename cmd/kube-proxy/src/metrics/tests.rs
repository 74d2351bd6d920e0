//! What recording does to values, read as a scraper reads them.

mod beside_syncs;
mod change;
mod observability;
mod reference;
mod series;
mod sync;
mod table;

use std::time::Duration;

use ::conntrack::flow::{Flow, Protocol, Status, Tuple, Zone};
use ::conntrack::kernel::{Error, Outcome};
use ::conntrack::report::{End, Findings, Occasion, Stale};
use ::conntrack::stale::{Delete, Keep, Verdict};
use config::Gates;
use informer::api::Exchange;
use jiff::Timestamp;
use prometheus::proto::MetricType;
use prometheus::{Registry, TextEncoder};
use proxier::family::Family;
use proxier::loss::Loss;
use proxier::plan::Counts;
use proxier::proxier::{Kind, Report};
use proxier::world::Dirty;

use super::*;
use crate::phase::Phases;

fn started() -> (Registry, Metrics) {
    let registry = Registry::new();
    let build = Build { release: "v1.36.2".into(), version: "0.1.0".into(), ..Build::default() };
    let gates = Gates::new(&[("ComponentFlagz".to_owned(), false)].into()).unwrap().0;
    let metrics = Metrics::new(&registry, &build, &gates).unwrap();
    register_packet_counters(&registry, |_| Ok(1)).unwrap();
    (registry, metrics)
}

fn record_everything(metrics: &Metrics) {
    let mut family = metrics.of_family(Family::V4, time(0));
    family.uses_backend("nf_tables");
    family.started(time(1));
    let loss = Some(Loss::default());
    let report = Report { loss, ..report(Kind::Full) };
    family.sync_succeeded(&report, Duration::ZERO, Phases::default(), time(1));
    family.sync_failed(Kind::Partial, Duration::ZERO, Phases::default());
    family.waited_for_lock(Duration::ZERO);
    metrics.conntrack.passed(&conntrack_report(End::Busy));
    metrics.conntrack.pending(::conntrack::flow::Family::V4, 2);
    metrics.health.answered_healthz(200);
    metrics.health.answered_livez(503);
    metrics.rest.requested(&exchange("POST", false, Some(200)));
    metrics.flaws.show(["Service"]);
}

fn ends() -> impl Iterator<Item = End> {
    let failed = [
        Error::Unavailable { what: "count", errno: 1 },
        Error::FilterRefused { errno: 22 },
        Error::TryAgain { what: "dump", errno: 105 },
    ];
    let ends = [End::Complete, End::Stopped, End::Overtaken, End::Doubtful, End::Busy];
    ends.into_iter().chain(failed.map(End::Failed))
}

/// Each line is one of the exposition.
fn check(registry: &Registry, lines: &[&str]) {
    let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "no {line} in\n{text}");
    }
}

fn report(kind: Kind) -> Report {
    Report {
        kind,
        changed: Dirty::nothing(),
        rendered: 0,
        service_ports: 0,
        written: Counts { filter_rules: 1, nat_rules: 2, ..Counts::default() },
        filter_rules: 7,
        nat_rules: 40,
        no_local_endpoints_internal: 3,
        no_local_endpoints_external: 4,
        loss: None,
        refused: Vec::new(),
        accepted: Vec::new(),
        quarantined: 2,
    }
}

/// One entry deleted and one gone, of five; one more was refused.
fn conntrack_report(end: End) -> ::conntrack::report::Report {
    let outcomes = [Outcome::Deleted, Outcome::Gone, Outcome::Refused(22)];
    let findings = Findings {
        end,
        duration: Duration::from_millis(250),
        verdicts: [(Verdict::Keep(Keep::Serving), 2), (Verdict::Delete(Delete::NotServing), 3)].into(),
        stale: outcomes.map(stale).into(),
        ..Findings::default()
    };
    ::conntrack::report::Report {
        family: ::conntrack::flow::Family::V4,
        occasion: Occasion::Hourly,
        findings,
        pending: 2,
        failure: None,
    }
}

fn stale(outcome: Outcome) -> Stale {
    let [client, address, backend] =
        ["10.0.0.1:40001", "10.96.0.10:53", "10.1.0.7:53"].map(|text| text.parse().unwrap());
    let tuple = |from, to| Tuple::new(Protocol::UDP, from, to).unwrap();
    let flow = Flow {
        orig: tuple(client, address),
        reply: tuple(backend, client),
        status: Status::default(),
        id: 1,
        zone: Zone::Default,
    };
    Stale { flow, reason: Delete::NotServing, outcome: Some(outcome) }
}

fn exchange(method: &str, is_watch: bool, code: Option<u16>) -> Exchange {
    Exchange {
        method: method.parse().unwrap(),
        host: "api.example:6443".to_owned(),
        is_watch,
        code,
        took: Duration::from_millis(10),
        waited: Duration::from_millis(250),
        sent: if method == "POST" { 300 } else { 0 },
        received: code.map(|_| 5000),
    }
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}
