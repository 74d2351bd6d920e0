use expect_test::{Expect, expect};

use super::*;
use crate::parse;

const LOCAL: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 0, 2))];

/// Two endpoints behind a cluster IP, a node port that is open to the node alone, one dead service.
const RULES: &str = "\
*filter
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
-A KUBE-SERVICES -m tcp -p tcp -d 172.30.0.9 --dport 80 -j REJECT
-A KUBE-NODEPORTS -m tcp -p tcp --dport 30000 -j ACCEPT
-A KUBE-PROXY-FIREWALL -m udp -p udp -d 10.1.0.1 --dport 53 -j DROP
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SVC-A - [0:0]
:KUBE-SVC-B - [0:0]
:KUBE-SEP-A - [0:0]
:KUBE-SEP-B - [0:0]
-A KUBE-MARK-MASQ -j MARK --or-mark 0x00004000
-A KUBE-SERVICES -d 172.30.0.1 -j KUBE-SVC-A
-A KUBE-SERVICES -d 172.30.0.2 -j KUBE-SVC-B
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-NODEPORTS -m addrtype --src-type LOCAL -m tcp -p tcp --dport 3001 -j KUBE-SVC-A
-A KUBE-NODEPORTS -m addrtype --src-type LOCAL -j RETURN
-A KUBE-NODEPORTS -m udp -p udp --dport 53 -j KUBE-SEP-B
-A KUBE-SVC-A ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ
-A KUBE-SVC-A -m recent --name KUBE-SEP-A --rcheck --seconds 10 --reap -j KUBE-SEP-B
-A KUBE-SVC-A -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-A
-A KUBE-SVC-A -j KUBE-SEP-B
-A KUBE-SEP-A -s 10.1.0.1 -j KUBE-MARK-MASQ
-A KUBE-SEP-A -m tcp -p tcp -j DNAT --to-destination 10.1.0.1:8080
-A KUBE-SEP-B -m tcp -p tcp -j DNAT --to-destination 10.1.0.2:8080
-A KUBE-SEP-B -m udp -p udp -j DNAT --to-destination 10.1.0.1:8053
-A KUBE-SVC-B -j KUBE-SVC-A
-A KUBE-SVC-B -m comment --comment nothing
-A KUBE-SVC-B -j KUBE-SVC-B
COMMIT
";

fn check(source: &str, protocol: Protocol, destination: &str, expected: Expect) {
    let save = parse::save(RULES).unwrap();
    let tracer = Tracer::of_save(&save, &LOCAL);
    let destination = destination.parse().unwrap();
    let verdict = tracer.trace(&Packet { source: source.parse().unwrap(), protocol, destination });
    let mut story = format!("{verdict}{}\n", if verdict.masqueraded { " masqueraded" } else { "" });
    for step in &verdict.path {
        let mut text = Vec::new();
        step.rule.write(&mut text);
        story += &format!("{} {}{}\n", step.table, step.chain, String::from_utf8(text).unwrap());
    }
    expected.assert_eq(&story);
}

#[test]
fn every_endpoint_is_found() {
    check(
        "10.0.0.2",
        Protocol::Tcp,
        "172.30.0.1:80",
        expect![[r#"
        10.1.0.1:8080, 10.1.0.2:8080
        nat KUBE-SERVICES -d 172.30.0.1/32 -j KUBE-SVC-A
        nat KUBE-SVC-A -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-A
        nat KUBE-SEP-A -m tcp -p tcp -j DNAT --to-destination 10.1.0.1:8080
        nat KUBE-SVC-A -j KUBE-SEP-B
        nat KUBE-SEP-B -m tcp -p tcp -j DNAT --to-destination 10.1.0.2:8080
    "#]],
    );
}

#[test]
fn an_endpoint_that_calls_itself_is_masqueraded() {
    check(
        "10.1.0.1",
        Protocol::Tcp,
        "172.30.0.1:80",
        expect![[r#"
        10.1.0.1:8080, 10.1.0.2:8080 masqueraded
        nat KUBE-SERVICES -d 172.30.0.1/32 -j KUBE-SVC-A
        nat KUBE-SVC-A -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-A
        nat KUBE-SEP-A -s 10.1.0.1/32 -j KUBE-MARK-MASQ
        nat KUBE-SEP-A -m tcp -p tcp -j DNAT --to-destination 10.1.0.1:8080
        nat KUBE-SVC-A -j KUBE-SEP-B
        nat KUBE-SEP-B -m tcp -p tcp -j DNAT --to-destination 10.1.0.2:8080
    "#]],
    );
}

#[test]
fn local_addresses_count_as_source_and_destination() {
    check(
        "192.168.0.2",
        Protocol::Tcp,
        "192.168.0.2:3001",
        expect![[r#"
        10.1.0.1:8080, 10.1.0.2:8080 masqueraded
        nat KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
        nat KUBE-NODEPORTS -m tcp -p tcp --dport 3001 -m addrtype --src-type LOCAL -j KUBE-SVC-A
        nat KUBE-SVC-A ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ
        nat KUBE-SVC-A -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-A
        nat KUBE-SEP-A -m tcp -p tcp -j DNAT --to-destination 10.1.0.1:8080
        nat KUBE-SVC-A -j KUBE-SEP-B
        nat KUBE-SEP-B -m tcp -p tcp -j DNAT --to-destination 10.1.0.2:8080
    "#]],
    );
    check(
        "192.168.0.3",
        Protocol::Tcp,
        "192.168.0.2:3001",
        expect![[r#"
        none
        nat KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
    "#]],
    );
    check(
        "192.168.0.3",
        Protocol::Tcp,
        "192.168.0.3:3001",
        expect![[r#"
        none
    "#]],
    );
}

#[test]
fn a_return_goes_on_behind_the_jump() {
    check(
        "192.168.0.2",
        Protocol::Udp,
        "192.168.0.2:53",
        expect![[r#"
        none
        nat KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
        nat KUBE-NODEPORTS -m addrtype --src-type LOCAL -j RETURN
    "#]],
    );
}

#[test]
fn the_filter_sees_the_first_endpoint_and_the_old_port() {
    check(
        "10.0.0.2",
        Protocol::Udp,
        "192.168.0.2:53",
        expect![[r#"
        10.1.0.1:8053, DROP
        nat KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
        nat KUBE-NODEPORTS -m udp -p udp --dport 53 -j KUBE-SEP-B
        nat KUBE-SEP-B -m udp -p udp -j DNAT --to-destination 10.1.0.1:8053
        filter KUBE-PROXY-FIREWALL -d 10.1.0.1/32 -m udp -p udp --dport 53 -j DROP
    "#]],
    );
}

#[test]
fn the_filter_alone_refuses_and_accepts() {
    check(
        "10.0.0.2",
        Protocol::Tcp,
        "172.30.0.9:80",
        expect![[r#"
        REJECT
        filter KUBE-SERVICES -d 172.30.0.9/32 -m tcp -p tcp --dport 80 -j REJECT
    "#]],
    );
    check(
        "10.0.0.2",
        Protocol::Tcp,
        "192.168.0.2:30000",
        expect![[r#"
        ACCEPT
        nat KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
        filter KUBE-NODEPORTS -m tcp -p tcp --dport 30000 -j ACCEPT
    "#]],
    );
}

/// What goes elsewhere passes FORWARD, which does not lead to KUBE-NODEPORTS.
#[test]
fn chains_are_met_where_built_in_chains_lead_to_them() {
    check(
        "10.0.0.2",
        Protocol::Tcp,
        "172.30.0.50:30000",
        expect![[r#"
        none
    "#]],
    );
    check(
        "192.168.0.2",
        Protocol::Tcp,
        "172.30.0.9:80",
        expect![[r#"
        REJECT
        filter KUBE-SERVICES -d 172.30.0.9/32 -m tcp -p tcp --dport 80 -j REJECT
    "#]],
    );
}

#[test]
fn a_loop_ends() {
    check(
        "10.0.0.2",
        Protocol::Sctp,
        "172.30.0.2:80",
        expect![[r#"
        none
        nat KUBE-SERVICES -d 172.30.0.2/32 -j KUBE-SVC-B
        nat KUBE-SVC-B -j KUBE-SVC-A
        nat KUBE-SVC-A -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-A
        nat KUBE-SVC-A -j KUBE-SEP-B
        nat KUBE-SVC-B -j KUBE-SVC-B
    "#]],
    );
}

#[test]
fn every_end_has_its_share_and_its_source() {
    let rules = "\
*nat
:KUBE-SERVICES - [0:0]
:KUBE-SVC-A - [0:0]
:KUBE-SVC-B - [0:0]
:KUBE-SEP-A - [0:0]
:KUBE-SEP-B - [0:0]
:KUBE-SEP-C - [0:0]
-A KUBE-SERVICES -d 172.30.0.1 -j KUBE-SVC-A
-A KUBE-SVC-A -m recent --name KUBE-SEP-A --rcheck --seconds 10800 --reap -j KUBE-SEP-A
-A KUBE-SVC-A -m statistic --mode random --probability 0.3333333333 -j KUBE-SEP-A
-A KUBE-SVC-A -m statistic --mode random --probability 0.5000000000 -j KUBE-SVC-B
-A KUBE-SVC-A -j KUBE-SEP-C
-A KUBE-SVC-B -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-B
-A KUBE-SVC-B -j KUBE-SEP-C
-A KUBE-SEP-A -s 10.1.0.1 -j KUBE-MARK-MASQ
-A KUBE-SEP-A -m tcp -p tcp -j DNAT --to-destination 10.1.0.1:8080
-A KUBE-SEP-B -m tcp -p tcp -j DNAT --to-destination 10.1.0.2:8080
-A KUBE-SEP-C -m tcp -p tcp -j DNAT --to-destination 10.1.0.3:8080
COMMIT
";
    let save = parse::save(rules).unwrap();
    let (source, destination) = ("10.1.0.1".parse().unwrap(), "172.30.0.1:80".parse().unwrap());
    let verdict =
        Tracer::of_save(&save, &LOCAL).trace(&Packet { source, protocol: Protocol::Tcp, destination });
    let ends = verdict.ends.iter().map(|end| {
        let source = if end.masqueraded { " masqueraded" } else { "" };
        format!("{:.4} {}{source}", end.share, end.outcome)
    });
    let expected = [
        "0.3333 10.1.0.1:8080 masqueraded",
        "0.1667 10.1.0.2:8080",
        "0.1667 10.1.0.3:8080",
        "0.3333 10.1.0.3:8080",
    ];
    assert_eq!(ends.collect::<Vec<_>>(), expected);
    assert!(verdict.masqueraded);
    assert_eq!(verdict.affinity, Some(10800));
    assert_eq!(
        verdict.path.iter().map(|step| step.depth).collect::<Vec<_>>(),
        [0, 1, 2, 2, 1, 2, 3, 2, 3, 1, 2]
    );
}
