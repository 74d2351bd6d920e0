//! `kpctl explain`.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use expect_test::{Expect, expect};

use crate::stage::{kpctl, manifests, run};

/// Two endpoints with session affinity, none, and one that is reached from outside on its own node only.
const OBJECTS: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: demo}
spec: {type: NodePort, clusterIP: 10.96.0.10, sessionAffinity: ClientIP, ports: [{port: 80, nodePort: 31080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: demo, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.244.0.5]}, {addresses: [10.244.0.6]}]
---
apiVersion: v1
kind: Service
metadata: {name: dead, namespace: demo}
spec: {clusterIP: 10.96.0.11, ports: [{port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
";

/// What upstream had in the kernel, jumps of built-in chains included.
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../e2e/golden/lb-source-ranges/expected.v4");

/// Where the rules come from that a packet meets.
enum Rules {
    /// They are made for the node `n1` from [`OBJECTS`].
    Rendered,
    /// They are those of [`RECORDED`].
    Saved,
}

#[track_caller]
fn check(rules: Rules, packet: &[&str], expected: &Expect) {
    let folder = manifests(OBJECTS);
    let place = folder.path().to_str().unwrap();
    let source = match rules {
        Rules::Rendered => &["--manifests", place, "--node", "n1"][..],
        Rules::Saved => &["--save", RECORDED],
    };
    let (code, story, said) = run(&[&["explain"], source, packet].concat());
    assert_eq!((code, said.as_str()), (Some(0), ""));
    expected.assert_eq(&story);
}

#[test]
fn endpoints_have_their_shares() {
    check(
        Rules::Rendered,
        &["10.244.0.5", "10.96.0.10", "80/TCP"],
        &expect![[r#"
        The first packet of a connection, TCP from 10.244.0.5 to 10.96.0.10:80

        nat
          -A KUBE-SERVICES -d 10.96.0.10/32 -m tcp -p tcp --dport 80 -m comment --comment "demo/web cluster IP" -j KUBE-SVC-YTGZ2JEENUBCE3T3
              because it goes to 10.96.0.10, it is TCP, it goes to port 80
            -A KUBE-SVC-YTGZ2JEENUBCE3T3 -m comment --comment "demo/web -> 10.244.0.5:8080" -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-PRMP7IBOYKSEW5NF
                because the lot falls on it, one time in 2
              -A KUBE-SEP-PRMP7IBOYKSEW5NF -s 10.244.0.5/32 -m comment --comment demo/web -j KUBE-MARK-MASQ
                  because it comes from 10.244.0.5, so its source will be replaced
              -A KUBE-SEP-PRMP7IBOYKSEW5NF -m tcp -p tcp -m comment --comment demo/web -m recent --name KUBE-SEP-PRMP7IBOYKSEW5NF --set -j DNAT --to-destination 10.244.0.5:8080
                  because it is TCP, its client is noted, for session affinity
            -A KUBE-SVC-YTGZ2JEENUBCE3T3 -m comment --comment "demo/web -> 10.244.0.6:8080" -j KUBE-SEP-6APHPUJTHAKOQSLF
                because it takes all
              -A KUBE-SEP-6APHPUJTHAKOQSLF -m tcp -p tcp -m comment --comment demo/web -m recent --name KUBE-SEP-6APHPUJTHAKOQSLF --set -j DNAT --to-destination 10.244.0.6:8080
                  because it is TCP, its client is noted, for session affinity

        It goes to one of these:
           50.0 %  10.244.0.5:8080
           50.0 %  10.244.0.6:8080
        Its source is replaced by an address of the node if it goes to 10.244.0.5:8080; otherwise it stays 10.244.0.5.
        A client that was here within 10800 s goes to the same endpoint as then; this is what others meet.
    "#]],
    );
}

#[test]
fn node_ports_are_those_of_the_node() {
    check(
        Rules::Rendered,
        &["198.51.100.7", "192.0.2.1", "31080"],
        &expect![[r#"
        The first packet of a connection, TCP from 198.51.100.7 to 192.0.2.1:31080

        nat
          -A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
              because it goes to an address of the node
            -A KUBE-NODEPORTS -m tcp -p tcp --dport 31080 -m comment --comment demo/web -j KUBE-EXT-YTGZ2JEENUBCE3T3
                because it is TCP, it goes to port 31080
              -A KUBE-EXT-YTGZ2JEENUBCE3T3 -m comment --comment "masquerade traffic for demo/web external destinations" -j KUBE-MARK-MASQ
                  because it takes all, so its source will be replaced
              -A KUBE-EXT-YTGZ2JEENUBCE3T3 -j KUBE-SVC-YTGZ2JEENUBCE3T3
                  because it takes all
                -A KUBE-SVC-YTGZ2JEENUBCE3T3 -m comment --comment "demo/web -> 10.244.0.5:8080" -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-PRMP7IBOYKSEW5NF
                    because the lot falls on it, one time in 2
                  -A KUBE-SEP-PRMP7IBOYKSEW5NF -m tcp -p tcp -m comment --comment demo/web -m recent --name KUBE-SEP-PRMP7IBOYKSEW5NF --set -j DNAT --to-destination 10.244.0.5:8080
                      because it is TCP, its client is noted, for session affinity
                -A KUBE-SVC-YTGZ2JEENUBCE3T3 -m comment --comment "demo/web -> 10.244.0.6:8080" -j KUBE-SEP-6APHPUJTHAKOQSLF
                    because it takes all
                  -A KUBE-SEP-6APHPUJTHAKOQSLF -m tcp -p tcp -m comment --comment demo/web -m recent --name KUBE-SEP-6APHPUJTHAKOQSLF --set -j DNAT --to-destination 10.244.0.6:8080
                      because it is TCP, its client is noted, for session affinity

        It goes to one of these:
           50.0 %  10.244.0.5:8080
           50.0 %  10.244.0.6:8080
        Its source is replaced by an address of the node.
        A client that was here within 10800 s goes to the same endpoint as then; this is what others meet.
    "#]],
    );
    let other = ["198.51.100.7", "192.0.2.1", "31080", "--node-address", "192.0.2.9"];
    check(
        Rules::Rendered,
        &other,
        &expect![[r#"
        The first packet of a connection, TCP from 198.51.100.7 to 192.0.2.1:31080

        No rule of kube-proxy sends it elsewhere or refuses it: it goes on to 192.0.2.1:31080.
    "#]],
    );
}

#[test]
fn what_is_refused_is_found_in_the_filter() {
    check(
        Rules::Rendered,
        &["198.51.100.7", "10.96.0.11", "53/udp"],
        &expect![[r#"
        The first packet of a connection, UDP from 198.51.100.7 to 10.96.0.11:53

        filter
          -A KUBE-SERVICES -d 10.96.0.11/32 -m udp -p udp --dport 53 -m comment --comment "demo/dead has no endpoints" -j REJECT
              because it goes to 10.96.0.11, it is UDP, it goes to port 53

        It is refused, and its sender is told.
    "#]],
    );
}

#[test]
fn source_ranges_decide_in_rules_of_upstream() {
    check(
        Rules::Saved,
        &["198.51.100.7", "203.0.113.14", "80"],
        &expect![[r#"
        The first packet of a connection, TCP from 198.51.100.7 to 203.0.113.14:80

        nat
          -A KUBE-SERVICES -d 203.0.113.14/32 -m tcp -p tcp --dport 80 -m comment --comment "demo/mixed:http loadbalancer IP" -j KUBE-FW-AGGYHXUGHXSKC4ZV
              because it goes to 203.0.113.14, it is TCP, it goes to port 80
            -A KUBE-FW-AGGYHXUGHXSKC4ZV -s 198.51.100.0/24 -m comment --comment "demo/mixed:http loadbalancer IP" -j KUBE-EXT-AGGYHXUGHXSKC4ZV
                because it comes from inside of 198.51.100.0/24
              -A KUBE-EXT-AGGYHXUGHXSKC4ZV -m comment --comment "masquerade traffic for demo/mixed:http external destinations" -j KUBE-MARK-MASQ
                  because it takes all, so its source will be replaced
              -A KUBE-EXT-AGGYHXUGHXSKC4ZV -j KUBE-SVC-AGGYHXUGHXSKC4ZV
                  because it takes all
                -A KUBE-SVC-AGGYHXUGHXSKC4ZV -m comment --comment "demo/mixed:http -> 10.244.1.4:8080" -j KUBE-SEP-4CB5GBCF2WLVNA2H
                    because it takes all
                  -A KUBE-SEP-4CB5GBCF2WLVNA2H -m tcp -p tcp -m comment --comment demo/mixed:http -j DNAT --to-destination 10.244.1.4:8080
                      because it is TCP

        It goes to 10.244.1.4:8080.
        Its source is replaced by an address of the node.
    "#]],
    );
    check(
        Rules::Saved,
        &["8.8.8.8", "203.0.113.14", "80"],
        &expect![[r#"
        The first packet of a connection, TCP from 8.8.8.8 to 203.0.113.14:80

        nat
          -A KUBE-SERVICES -d 203.0.113.14/32 -m tcp -p tcp --dport 80 -m comment --comment "demo/mixed:http loadbalancer IP" -j KUBE-FW-AGGYHXUGHXSKC4ZV
              because it goes to 203.0.113.14, it is TCP, it goes to port 80

        filter
          -A KUBE-PROXY-FIREWALL -d 203.0.113.14/32 -m tcp -p tcp --dport 80 -m comment --comment "demo/mixed:http traffic not accepted by KUBE-FW-AGGYHXUGHXSKC4ZV" -j DROP
              because it goes to 203.0.113.14, it is TCP, it goes to port 80

        It is dropped, and nobody is told.
    "#]],
    );
}

#[test]
fn a_save_can_come_by_standard_input_and_lack_something() {
    let text = fs::read_to_string(RECORDED).unwrap();
    let (_, nat) = text.split_once("*nat\n").unwrap();
    let nat = nat.replace("-A PREROUTING ", "-A INPUT ");
    let nat = format!("*nat\n{}", nat.replace("COMMIT", "-A KUBE-SERVICES -m u32 --u32 0 -j DROP\nCOMMIT"));
    let mut child = kpctl(&["explain", "--save", "-", "8.8.8.8", "10.96.0.1", "443"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(nat.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    expect![[r#"
        The first packet of a connection, TCP from 8.8.8.8 to 10.96.0.1:443

        The save has no table filter with rules of kube-proxy, which would tell whether it is refused.
        PREROUTING of nat does not lead to KUBE-SERVICES: what passes there meets no rule of it.
        Rules in chains of kube-proxy that are of no kind that it writes, and are passed over: 1.

        No rule of kube-proxy sends it elsewhere or refuses it: it goes on to 10.96.0.1:443.
    "#]]
    .assert_eq(&String::from_utf8(output.stdout).unwrap());
}

#[test]
fn mistakes_are_named() {
    for (arguments, code, expected) in [
        (&["--save", RECORDED, "::1", "10.0.0.1", "80"][..], 1, "::1 and 10.0.0.1 are of different families"),
        (&["--save", RECORDED, "10.0.0.2", "10.0.0.1", "http"], 1, "\"http\" is not a port"),
        (&["--save", RECORDED, "10.0.0.2", "10.0.0.1", "80/ICMP"], 1, "\"ICMP\" is not TCP, UDP or SCTP"),
        (
            &["--save", RECORDED, "2001:db8::1", "2001:db8::2", "80"],
            1,
            "has rules of IPv4, the packet is of IPv6",
        ),
        (&["--save", "/nowhere", "10.0.0.2", "10.0.0.1", "80"], 1, "can't read /nowhere"),
        (&["--save", "/dev/null", "10.0.0.2", "10.0.0.1", "80"], 1, "/dev/null has no table"),
        (&["--save", RECORDED, "--node", "n1", "10.0.0.2", "10.0.0.1", "80"], 2, "cannot be used with"),
        (&["10.0.0.2", "10.0.0.1", "80"], 2, "required"),
    ] {
        let (found, story, said) = run(&[&["explain"], arguments].concat());
        assert_eq!((found, story.as_str()), (Some(code), ""), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn complaints_show_in_the_exit_code() {
    let folder = manifests(&OBJECTS.replace("nodePort: 31080", "nodeport: 31080"));
    let place = folder.path().to_str().unwrap();
    let (code, story, said) = run(&["explain", "--manifests", place, "10.0.0.1", "10.96.0.10", "80"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        story.contains("It goes to one of these:") && said.contains("spec.ports[0].nodeport"),
        "{said}\n{story}"
    );
}
