//! The real table: each test in a network namespace of its own. Needs root and iproute2, and fails without.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod node;

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use conntrack::flow::{Entry, Family, Flow, Zone};
use conntrack::generation::{Cause, Delivery, Generation, ServicePort};
use conntrack::kernel::{Dumped, Error, Kernel, Outcome, Scope};
use conntrack::netlink::Netlink;
use conntrack::report::{End, Report};
use conntrack::worker::{News, Worker};
use node::{Made, in_namespace};

const VIP: &str = "10.96.0.10:53";

fn made(client: &str) -> Made {
    Made::udp(client, VIP).mark(7)
}

fn dump(scope: Scope) -> Vec<Flow> {
    let mut flows: Vec<Flow> = Vec::new();
    let dumped = Netlink::new().dump(scope, &mut |entry| {
        flows.extend(entry.flow());
        ControlFlow::Continue(())
    });
    assert_eq!(dumped, Ok(Dumped::Whole));
    flows.sort_by_key(|flow| flow.orig.source());
    flows
}

fn clients(scope: Scope) -> Vec<String> {
    dump(scope).iter().map(|flow| flow.orig.source().to_string()).collect()
}

#[test]
fn entries_are_read_as_they_were_made() {
    in_namespace(|| {
        node::make(&[
            made("10.0.0.1:40001").to("10.1.0.7:5353").replied(),
            made("10.0.0.2:40002"),
            Made::udp("[fd00::1]:40003", "[fd00:96::10]:53").to("[fd00:1::7]:5353"),
            made("10.0.0.4:40004").tcp(),
        ]);
        let flows = dump(Scope::Udp(Family::V4));
        assert_eq!(clients(Scope::Udp(Family::V4)), ["10.0.0.1:40001", "10.0.0.2:40002"]);
        assert!(flows[0].is_dnated() && flows[0].is_replied());
        assert_eq!(flows[0].backend(), "10.1.0.7:5353".parse().unwrap());
        assert_eq!(flows[0].orig.destination(), VIP.parse().unwrap());
        assert!(!flows[1].is_dnated() && !flows[1].is_replied());
        assert_eq!(clients(Scope::Udp(Family::V6)), ["[fd00::1]:40003"]);
        assert_eq!(dump(Scope::Udp(Family::V6))[0].backend(), "[fd00:1::7]:5353".parse().unwrap());
        assert_eq!(dump(Scope::Everything).len(), 4);
        let count = Netlink::new().count().unwrap();
        assert_eq!(count.entries, 4);
        assert!(count.buckets.is_some());
    });
}

#[test]
fn exactly_what_is_asked_for_is_deleted() {
    in_namespace(|| {
        node::make(&[
            made("10.0.0.1:40001").to("10.1.0.7:53"),
            made("10.0.0.2:40002"),
            made("10.0.0.1:40001").tcp(),
            Made::udp("[fd00::1]:40001", "[fd00:96::10]:53").to("[fd00:1::7]:53").mark(7),
            Made::udp("[fd00::2]:40002", "[fd00:96::10]:53").mark(7),
        ]);
        let (v4, v6) = (dump(Scope::Udp(Family::V4)), dump(Scope::Udp(Family::V6)));
        let wrong_id = Flow { id: !v4[1].id, ..v4[1] };
        let mut netlink = Netlink::new();
        assert_eq!(
            netlink.delete(&[v4[0], v6[0], wrong_id, v4[0]]).unwrap(),
            [Outcome::Deleted, Outcome::Deleted, Outcome::Gone, Outcome::Gone]
        );
        assert_eq!(netlink.delete(&[]).unwrap(), []);
        assert_eq!(
            node::marks(),
            [
                ("10.0.0.1:40001".to_owned(), 7),
                ("10.0.0.2:40002".to_owned(), 7),
                ("[fd00::2]:40002".to_owned(), 7),
            ]
        );
    });
}

#[test]
fn zones_are_echoed() {
    in_namespace(|| {
        node::make(&[
            made("10.0.0.1:40001").to("10.1.0.7:53"),
            made("10.0.0.1:40001").to("10.1.0.8:53").zone(5),
            made("10.0.0.3:40003").to("10.1.0.7:53").orig_zone(6),
            made("10.0.0.4:40004").to("10.1.0.7:53").reply_zone(6),
        ]);
        let flows = dump(Scope::Udp(Family::V4));
        let in_zone = |flow: &&Flow| flow.zone != Zone::Default;
        let zoned: Vec<Flow> = flows.iter().filter(in_zone).copied().collect();
        let five =
            zoned.iter().find(|flow| matches!(flow.zone, Zone::Both(zone) if zone.get() == 5)).unwrap();
        assert_eq!(zoned.len(), 3);
        let without = Flow { zone: Zone::Default, ..*five };
        let mut netlink = Netlink::new();
        assert_eq!(netlink.delete(&[without]).unwrap(), [Outcome::Gone]);
        assert_eq!(netlink.delete(&zoned).unwrap(), [Outcome::Deleted; 3]);
        assert_eq!(node::marks(), [("10.0.0.1:40001".to_owned(), 7)]);
    });
}

#[test]
fn a_dump_can_be_abandoned_and_another_begun() {
    in_namespace(|| {
        let many = (0..2000u16).map(|n| made(&format!("10.0.0.1:{}", 1024 + n))).collect::<Vec<_>>();
        node::make(&many);
        let mut netlink = Netlink::new();
        for expected in [1, 1] {
            let mut seen = 0;
            let dumped = netlink.dump(Scope::Everything, &mut |_: &Entry| {
                seen += 1;
                ControlFlow::Break(())
            });
            assert_eq!((dumped, seen), (Ok(Dumped::Abandoned), expected));
        }
        assert_eq!(netlink.count().unwrap().entries, 2000);
        let flows = dump(Scope::Everything);
        let outcomes = netlink.delete(&flows).unwrap();
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Deleted));
        assert_eq!(netlink.count().unwrap().entries, 0);
    });
}

#[test]
fn more_answers_than_the_socket_holds_are_asked_for_one_by_one() {
    in_namespace(|| {
        let many = (0..1500u16).map(|n| made(&format!("10.0.0.1:{}", 1024 + n))).collect::<Vec<_>>();
        node::make(&many);
        let flows = dump(Scope::Everything);
        let mut netlink = Netlink::new();
        assert!(netlink.delete(&flows).unwrap().iter().all(|outcome| *outcome == Outcome::Deleted));
        let again = netlink.delete(&flows).unwrap();
        assert_eq!(again, vec![Outcome::Gone; 1500]);
    });
}

#[test]
fn a_buffer_that_is_too_small_grows() {
    in_namespace(|| {
        let many = (0..500u16).map(|n| made(&format!("10.0.0.1:{}", 1024 + n))).collect::<Vec<_>>();
        node::make(&many);
        let mut netlink = Netlink::with_buffer(512);
        let mut dumps = Vec::new();
        let mut seen = 0;
        while dumps.last() != Some(&Dumped::Whole) && dumps.len() < 10 {
            seen = 0;
            let dumped = netlink.dump(Scope::Everything, &mut |_| {
                seen += 1;
                ControlFlow::Continue(())
            });
            dumps.push(dumped.unwrap());
        }
        assert_eq!(seen, 500);
        assert_eq!(dumps[0], Dumped::Doubtful);
    });
}

#[test]
fn without_the_capability_it_is_unavailable_and_says_so_once() {
    in_namespace(|| {
        node::drop_capabilities();
        let refused = Error::Unavailable { what: "count", errno: 1 };
        assert_eq!(Netlink::new().count(), Err(refused.clone()));
        let report = first_report(dns(&["10.1.0.7:53"]), Cause::FirstSync);
        let failure = report.failure.expect("it cannot work");
        assert_eq!((report.findings.end, failure.is_news), (End::Failed(refused), true));
        assert_eq!(failure.retry_in, Duration::from_secs(60));
        let dumped = Netlink::new().dump(Scope::Everything, &mut |_| ControlFlow::Continue(()));
        assert_eq!(dumped, Err(Error::Unavailable { what: "dump", errno: 1 }));
    });
}

#[test]
fn the_worker_removes_what_is_stale_and_leaves_marks_alone() {
    in_namespace(|| {
        node::make(&[
            made("10.0.0.1:40001").to("10.1.0.7:53").replied(),
            made("10.0.0.2:40002").to("10.1.0.8:53").replied(),
            made("10.0.0.3:40003"),
            made("10.0.0.4:40004").zone(5),
            made("10.0.0.5:40005").to("10.1.0.8:53").zone(5),
            made("10.0.0.6:40006").to("10.1.0.8:53").tcp(),
            Made::udp("10.0.0.7:40007", "198.51.100.1:30053").mark(7),
            Made::udp("10.0.0.8:40008", "192.168.0.1:30053").mark(7),
        ]);
        let report = first_report(dns(&["10.1.0.7:53"]), Cause::FirstSync);
        assert_eq!((report.findings.deleted(), report.findings.gone(), report.failure), (4, 0, None));
        assert_eq!(
            node::marks(),
            [
                ("10.0.0.1:40001".to_owned(), 7),
                ("10.0.0.4:40004".to_owned(), 7),
                ("10.0.0.6:40006".to_owned(), 7),
                ("10.0.0.7:40007".to_owned(), 7),
            ]
        );
    });
}

#[test]
fn ipv6_goes_the_same_way() {
    in_namespace(|| {
        let vip = "[fd00:96::10]:53";
        node::make(&[
            Made::udp("[fd00::1]:40001", vip).to("[fd00:1::7]:53").mark(7),
            Made::udp("[fd00::2]:40002", vip).to("[fd00:1::8]:53"),
            Made::udp("[fd00::3]:40003", vip),
            Made::udp("[fd00::4]:40004", "[fd00::99]:30053").mark(7),
            made("10.0.0.1:40001").to("10.1.0.9:53"),
        ]);
        let generation = generation(&[vip], &["[fd00:1::7]:53"], &[]);
        let report = report_of(Family::V6, generation, Cause::FirstSync);
        assert_eq!(report.findings.deleted(), 2);
        let left: Vec<_> = node::marks().into_iter().map(|(client, _)| client).collect();
        assert_eq!(left, ["10.0.0.1:40001", "[fd00::1]:40001", "[fd00::4]:40004"]);
    });
}

fn dns(serving: &[&str]) -> Generation {
    generation(&[VIP], serving, &["192.168.0.1"])
}

fn generation(front_ends: &[impl AsRef<str>], serving: &[&str], nodes: &[&str]) -> Generation {
    let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
    let service_port = ServicePort {
        exact: front_ends.iter().map(|text| (address(text.as_ref()), Delivery::Delivering)).collect(),
        node_port: Some((30053.try_into().unwrap(), Delivery::Delivering)),
        serving: serving.iter().map(|text| address(text)).collect(),
    };
    Generation {
        service_ports: [("ns/dns:udp".into(), Arc::new(service_port))].into(),
        node_addresses: nodes.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

fn first_report(generation: Generation, cause: Cause) -> Report {
    report_of(Family::V4, generation, cause)
}

fn report_of(family: Family, generation: Generation, cause: Cause) -> Report {
    let (sender, news) = channel();
    let worker = Worker::start(Netlink::new(), || None, move |it| drop(sender.send(it))).unwrap();
    worker.committed(family, generation, cause);
    loop {
        if let News::Pass(report) = news.recv_timeout(Duration::from_secs(60)).unwrap() {
            return report;
        }
    }
}
