//! How rules are spelled.

mod generated;
mod save;

use std::borrow::Cow;
use std::num::NonZeroUsize;

use informer::object::Protocol;

use super::*;
use crate::rule::{Address, Match, Target};

fn known(text: &str) -> Rule {
    match spelling::rule(text) {
        SavedRule::Known(rule) => rule,
        SavedRule::Foreign(text) => panic!("not recognised: {text}"),
    }
}

/// What is written, and what iptables-save 1.8.9 makes of it.
const SPELLINGS: &[(&str, &str)] = &[
    (
        r#"-m comment --comment "a/b:c cluster IP" -m tcp -p tcp -d 10.0.0.1 --dport 80 -j KUBE-SVC-X"#,
        r#"-d 10.0.0.1/32 -p tcp -m comment --comment "a/b:c cluster IP" -m tcp --dport 80 -j KUBE-SVC-X"#,
    ),
    (
        r#"-m comment --comment "a/b cluster IP" -m udp -p udp -d fd00::1 --dport 53 ! -s fd00:10::/48 -j KUBE-MARK-MASQ"#,
        r#"! -s fd00:10::/48 -d fd00::1/128 -p udp -m comment --comment "a/b cluster IP" -m udp --dport 53 -j KUBE-MARK-MASQ"#,
    ),
    (
        r#"-m comment --comment "a/b cluster IP" -m sctp -p sctp -d 10.0.0.1 --dport 1 ! -i cali+ -j KUBE-MARK-MASQ"#,
        r#"-d 10.0.0.1/32 ! -i cali+ -p sctp -m comment --comment "a/b cluster IP" -m sctp --dport 1 -j KUBE-MARK-MASQ"#,
    ),
    (
        r#"-m comment --comment "pod traffic" -i br0 -j KUBE-SVC-X"#,
        r#"-i br0 -m comment --comment "pod traffic" -j KUBE-SVC-X"#,
    ),
    (
        "-m comment --comment a/b -s 10.1.2.3 -j KUBE-MARK-MASQ",
        r#"-s 10.1.2.3/32 -m comment --comment "a/b" -j KUBE-MARK-MASQ"#,
    ),
    ("-m comment --comment it's -j DROP", r#"-m comment --comment "it\'s" -j DROP"#),
    ("-s 0.0.0.0/0 -j KUBE-SVC-X", "-j KUBE-SVC-X"),
    ("-s 10.244.7.9/16 -j KUBE-SVC-X", "-s 10.244.0.0/16 -j KUBE-SVC-X"),
    (
        "-m comment --comment a/b:c -m tcp -p tcp -d 127.0.0.0/8 --dport 3001 -m nfacct --nfacct-name n_p -j KUBE-EXT-X",
        r#"-d 127.0.0.0/8 -p tcp -m comment --comment "a/b:c" -m tcp --dport 3001 -m nfacct --nfacct-name  n_p -j KUBE-EXT-X"#,
    ),
    (
        r#"-m comment --comment "a b" -m addrtype --dst-type LOCAL -m tcp -p tcp --dport 3001 -j REJECT"#,
        r#"-p tcp -m comment --comment "a b" -m addrtype --dst-type LOCAL -m tcp --dport 3001 -j REJECT --reject-with icmp-port-unreachable"#,
    ),
    ("-m tcp -p tcp -j REJECT", "-p tcp -m tcp -j REJECT --reject-with icmp6-port-unreachable"),
    (
        "-m addrtype --dst-type LOCAL ! -d 127.0.0.0/8 -j KUBE-NODEPORTS",
        "! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS",
    ),
    ("-m addrtype --src-type LOCAL -j KUBE-MARK-MASQ", "-m addrtype --src-type LOCAL -j KUBE-MARK-MASQ"),
    ("-m mark ! --mark 0x00004000/0x00004000 -j RETURN", "-m mark ! --mark 0x4000/0x4000 -j RETURN"),
    ("-m mark --mark 0x80000000/0x80000000 -j ACCEPT", "-m mark --mark 0x80000000/0x80000000 -j ACCEPT"),
    ("-m mark --mark 0x00000005/0xffffffff -j ACCEPT", "-m mark --mark 0x5 -j ACCEPT"),
    ("-j MARK --xor-mark 0x00004000", "-j MARK --set-xmark 0x4000/0x0"),
    ("-j MARK --or-mark 0x80000000", "-j MARK --set-xmark 0x80000000/0x80000000"),
    ("-j MASQUERADE", "-j MASQUERADE"),
    (
        r#"-m comment --comment "x y" -j MASQUERADE --random-fully"#,
        r#"-m comment --comment "x y" -j MASQUERADE --random-fully"#,
    ),
    (
        "-m statistic --mode random --probability 0.3333333333 -j KUBE-SEP-X",
        "-m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-X",
    ),
    (
        "-m statistic --mode random --probability 0.1428571429 -j KUBE-SEP-X",
        "-m statistic --mode random --probability 0.14285714272 -j KUBE-SEP-X",
    ),
    (
        "-m statistic --mode random --probability 0.0000100000 -j KUBE-SEP-X",
        "-m statistic --mode random --probability 0.00001000008 -j KUBE-SEP-X",
    ),
    (
        "-m recent --name KUBE-SEP-X --rcheck --seconds 10800 --reap -j KUBE-SEP-X",
        "-m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-X --mask 255.255.255.255 --rsource -j KUBE-SEP-X",
    ),
    (
        "-m comment --comment a/b -m recent --name KUBE-SEP-X --set -m tcp -p tcp -j DNAT --to-destination [fd00::1]:80",
        r#"-p tcp -m comment --comment "a/b" -m recent --set --name KUBE-SEP-X --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource -m tcp -j DNAT --to-destination [fd00::1]:80"#,
    ),
    (
        "-m conntrack --ctstate INVALID -m nfacct --nfacct-name n -j DROP",
        "-m conntrack --ctstate INVALID -m nfacct --nfacct-name  n -j DROP",
    ),
    (
        r#"-m comment --comment "a b" -d 127.0.0.0/8 ! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP"#,
        r#"! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "a b" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP"#,
    ),
    (r#"-m comment --comment "nothing happens""#, r#"-m comment --comment "nothing happens""#),
    ("-j KUBE-FIREWALL", "-j KUBE-FIREWALL"),
];

#[test]
fn both_spellings_are_one_rule() {
    for (written, saved) in SPELLINGS {
        assert_eq!(known(written), known(saved), "{written}");
        let digest = |text| spelling::known(text).unwrap().digest();
        assert_eq!(digest(written), digest(saved), "{written}");
    }
}

#[test]
fn other_rules_have_other_digests() {
    let mut rules: Vec<_> = SPELLINGS.iter().map(|(written, _)| known(written)).collect();
    rules.sort_by_key(Rule::digest);
    assert!(rules.is_sorted_by(|one, next| one.digest() < next.digest()), "{rules:?}");
}

#[test]
fn spellings_keep_their_meaning() {
    let port = [Match::Protocol(Protocol::Tcp), Match::DestinationPort(80)];
    let destination = Match::Destination(Address::within("10.0.0.1/32".parse().unwrap()));
    let to_service = [&[destination][..], &port, &[Match::Comment("a/b:c cluster IP".into())]].concat();
    let rule = |matches: &[Match], target| Rule::new(matches, target);
    for (text, expected) in [
        (
            r#"-d 10.0.0.1/32 -p tcp -m comment --comment "a/b:c cluster IP" -m tcp --dport 80 -j KUBE-SVC-X"#,
            rule(&to_service, Target::Jump(ChainName::parse("KUBE-SVC-X"))),
        ),
        (
            "-m mark ! --mark 0x4000/0x4000 -j RETURN",
            rule(&[Match::Mark { value: 0x4000, mask: 0x4000, inverted: true }], Target::Return),
        ),
        ("-j MARK --set-xmark 0x4000/0x0", rule(&[], Target::MarkXor(0x4000))),
        ("-j MARK --set-xmark 0x80000000/0x80000000", rule(&[], Target::MarkOr(0x8000_0000))),
        (
            "-m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-X",
            rule(&[Match::OneIn(3)], Target::Jump(ChainName::parse("KUBE-SEP-X"))),
        ),
        (
            r#"-m comment --comment "nothing happens""#,
            Rule::without_target([Match::Comment("nothing happens".into())]),
        ),
    ] {
        assert_eq!(known(text), expected);
    }
}

#[test]
fn what_is_never_written_is_foreign() {
    for text in [
        "-j LOG",
        "-j cali-FORWARD",
        "-g KUBE-SERVICES",
        "-m tcp --dport 80 -j ACCEPT",
        "-p tcp -m tcp --dport 80:90 -j ACCEPT",
        "-p tcp -m tcp ! --dport 80 -j ACCEPT",
        "-p tcp -m tcp --sport 80 -j ACCEPT",
        "! -p tcp -j ACCEPT",
        "-p icmp -j ACCEPT",
        "-o eth0 -j ACCEPT",
        "-s 10.0.0.0/255.0.255.0 -j ACCEPT",
        "-s 10.0.0.1,10.0.0.2 -j ACCEPT",
        "-m set --match-set x src -j ACCEPT",
        "-m addrtype --dst-type LOCAL --limit-iface-in -j ACCEPT",
        "-m addrtype --dst-type BROADCAST -j ACCEPT",
        "-m statistic --mode nth --every 2 --packet 0 -j ACCEPT",
        "-m statistic --mode random --probability 0.3 -j ACCEPT",
        "-m recent --update --seconds 60 --hitcount 4 --name ssh --mask 255.255.255.255 --rsource -j DROP",
        "-m recent --rcheck --seconds 60 --name ssh --mask 255.255.255.255 --rsource -j DROP",
        "-m recent --set --name ssh --mask 255.255.255.0 --rsource",
        "-m recent --set --name ssh --mask 255.255.255.255 --rdest",
        "-j MARK --set-xmark 0x5/0xffffffff",
        "-j REJECT --reject-with tcp-reset",
        "-j MASQUERADE --to-ports 1024-65535",
        "-j DNAT --to-destination 10.0.0.1",
        "-j DNAT --to-destination 10.0.0.1:80 --persistent",
        "-j ACCEPT -m comment --comment late",
        r#"-m comment --comment "" -j ACCEPT"#,
        r#"-m comment --comment "a \"b\"" -j ACCEPT"#,
        r#"-m comment --comment "open -j ACCEPT"#,
        "-m comment --comment",
        "-j",
        "-s",
        "! -s",
        "!",
        "! ! -s 10.0.0.1 -j ACCEPT",
        "-s 10.0.0.1 !",
    ] {
        assert_eq!(spelling::rule(text), SavedRule::Foreign(text.into()), "{text}");
    }
}
