use std::borrow::Cow;
use std::num::NonZeroUsize;

use informer::object::Protocol;
use proptest::prelude::*;

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

#[test]
fn a_save_has_tables_chains_and_rules() {
    let text = "\
# Generated by iptables-save v1.8.9 on a Monday
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -j NOTRACK
COMMIT
*filter
:INPUT DROP [12:3456]
:KUBE-FIREWALL - [0:0]
[1:2] -A INPUT -j KUBE-FIREWALL
-A INPUT -i lo -j LOG --log-prefix \"a b\"
COMMIT
# Completed on a Monday

*mangle
:KUBE-PROXY-CANARY -
COMMIT
";
    let save = save(text).unwrap();
    assert_eq!(save.tables.keys().copied().collect::<Vec<_>>(), [Table::Mangle, Table::Filter]);
    let input = save.chain(Table::Filter, &ChainName::INPUT).unwrap();
    assert_eq!(input.policy, Some(Policy::Drop));
    let foreign = SavedRule::Foreign("-i lo -j LOG --log-prefix \"a b\"".into());
    assert_eq!(input.rules, [SavedRule::Known(known("-j KUBE-FIREWALL")), foreign]);
    let canary = save.chain(Table::Mangle, &ChainName::KUBE_PROXY_CANARY);
    assert_eq!(canary, Some(&Chain::default()));
    assert_eq!(save.by_chain()[&(Table::Filter, &ChainName::INPUT)], [&known("-j KUBE-FIREWALL")]);
}

#[test]
fn restore_input_is_a_list_of_commands() {
    let text = "*nat\n:KUBE-SERVICES - [0:0]\n-A KUBE-SERVICES -j ACCEPT\n-I KUBE-SERVICES -j DROP\n\
                -I KUBE-SERVICES 7 -j DROP\n-D KUBE-SERVICES -j ACCEPT\n-F KUBE-SERVICES\n-X KUBE-SERVICES\nCOMMIT\n";
    let chain = ChainName::KUBE_SERVICES;
    let accept = SavedRule::Known(Rule::new([], Target::Accept));
    let drop = SavedRule::Known(Rule::new([], Target::Drop));
    let insert = |position, rule: &SavedRule| Command::Insert {
        chain: ChainName::KUBE_SERVICES,
        position: NonZeroUsize::new(position).unwrap(),
        rule: rule.clone(),
    };
    let expected = [
        Command::Table(Table::Nat),
        Command::Chain { chain: chain.clone(), policy: None },
        Command::Append { chain: chain.clone(), rule: accept.clone() },
        insert(1, &drop),
        insert(7, &drop),
        Command::Delete { chain: chain.clone(), rule: accept },
        Command::Flush(chain.clone()),
        Command::DeleteChain(chain),
        Command::Commit,
    ];
    assert_eq!(commands(text).collect::<Result<Vec<_>, _>>().unwrap(), expected);
}

/// A rule that others wrote may take several lines; what stands in its comment is no command.
#[test]
fn a_comment_may_hold_line_breaks() {
    let text =
        "*nat\n-A X -m comment --comment \"a\nCOMMIT\n-A Y -j DROP\n\\\"\" -j ACCEPT\n-A Z -j DROP\nCOMMIT\n";
    let mut commands = commands(text);
    assert_eq!(commands.next(), Some(Ok(Command::Table(Table::Nat))));
    let Some(Ok(Command::Append { rule: SavedRule::Foreign(rule), .. })) = commands.next() else { panic!() };
    assert_eq!(&*rule, "-m comment --comment \"a\nCOMMIT\n-A Y -j DROP\n\\\"\" -j ACCEPT");
    assert!(
        matches!(commands.next(), Some(Ok(Command::Append { chain, .. })) if chain == ChainName::parse("Z"))
    );
    assert_eq!((commands.next(), commands.line()), (Some(Ok(Command::Commit)), 7));
}

#[test]
fn errors_name_the_line() {
    use Problem::*;
    for (text, line, problem) in [
        ("nonsense", 1, NoTable),
        ("*nat\n\n-A\nCOMMIT", 3, NotACommand),
        ("*nat\n-Z KUBE-SERVICES\nCOMMIT", 2, NotACommand),
        ("*nat\n[1:2 -A X\nCOMMIT", 2, NotACommand),
        ("*nat\n:\nCOMMIT", 2, NotACommand),
        ("*nat\n:X\nCOMMIT", 2, NoSuchPolicy),
        ("*nat\n:X QUEUE [0:0]\nCOMMIT", 2, NoSuchPolicy),
        ("*nat\n:X - [0:0]\n", 2, NoCommit),
        ("*nat\n*filter\nCOMMIT", 2, NoCommit),
        ("*raw\n-A X\n", 2, NoCommit),
        ("*nat\n-A X -m comment --comment \"a\nCOMMIT\n", 3, NoCommit),
        ("*nat\nCOMMIT\nCOMMIT", 3, NoTable),
        ("*nat\n-F X\nCOMMIT", 2, NotInSave),
        ("*nat\n-I X 3 -j DROP\nCOMMIT", 2, NotInSave),
    ] {
        assert_eq!(save(text), Err(ParseError { line, problem }), "{text}");
    }
    let error = ParseError { line: 3, problem: NoTable };
    assert_eq!(error.to_string(), "line 3: no table is open");
}

#[test]
fn reading_goes_on_behind_an_error() {
    let read: Vec<_> = commands("*nat\nnonsense\nCOMMIT\n").collect();
    let error = ParseError { line: 2, problem: Problem::NotACommand };
    assert_eq!(read, [Ok(Command::Table(Table::Nat)), Err(error), Ok(Command::Commit)]);
}

fn an_address() -> impl Strategy<Value = Address> {
    let v4 = (any::<u32>(), 0..=32_u8)
        .prop_map(|(bits, length)| ipnet::Ipv4Net::new_assert(bits.into(), length).into());
    let v6 = (any::<u128>(), 0..=128_u8)
        .prop_map(|(bits, length)| ipnet::Ipv6Net::new_assert(bits.into(), length).into());
    let net = prop_oneof![v4, v6];
    (net, any::<bool>(), any::<bool>()).prop_map(|(net, inverted, bare): (ipnet::IpNet, _, _)| Address {
        net,
        inverted,
        bare: bare && net.prefix_len() == net.max_prefix_len(),
    })
}

fn a_chain() -> impl Strategy<Value = ChainName> {
    "KUBE-(SVC|SEP|SVL|EXT|FW)-[A-Z2-7]{16}|KUBE-SERVICES|KUBE-[a-z]{1,5}"
        .prop_map(|name| ChainName::parse(&name))
}

/// Any subset of the matches, in any order.
fn some_matches() -> impl Strategy<Value = Vec<Match>> {
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)];
    let single = (
        "[a-z0-9/:.;>' -]{0,30}[a-z/]".prop_map(|text| Match::Comment(text.trim_start().into())),
        an_address().prop_map(Match::Source),
        an_address().prop_map(Match::Destination),
        ("[a-z]{1,8}[0-9+]?", any::<bool>())
            .prop_map(|(name, inverted)| Match::InInterface { name: name.into(), inverted }),
        (any::<u32>(), any::<u32>(), any::<bool>()).prop_map(|(value, mask, inverted)| Match::Mark {
            value,
            mask,
            inverted,
        }),
        ("(INVALID|NEW|RELATED,ESTABLISHED)", any::<bool>())
            .prop_map(|(states, inverted)| Match::ConntrackState { states: Cow::Owned(states), inverted }),
        "[a-z_]{1,20}".prop_map(|name| Match::Nfacct(Cow::Owned(name))),
        (1..200_000_u32).prop_map(Match::OneIn),
    );
    let recent = prop_oneof![
        (a_chain(), any::<u32>()).prop_map(|(list, seconds)| Match::RecentCheck { list, seconds }),
        a_chain().prop_map(|list| Match::RecentSet { list }),
    ];
    let of_port = (protocol, any::<u16>(), any::<bool>());
    (single, recent, of_port).prop_flat_map(|(single, recent, (protocol, port, with_port))| {
        let (a, b, c, d, e, f, g, h) = single;
        let all = vec![
            vec![a],
            vec![b],
            vec![c],
            vec![d],
            vec![e],
            vec![f],
            vec![g],
            vec![h],
            vec![recent],
            vec![Match::SourceLocal],
            vec![Match::DestinationLocal],
            [Match::Protocol(protocol), Match::DestinationPort(port)][..if with_port { 2 } else { 1 }]
                .to_vec(),
        ];
        let count = all.len();
        proptest::sample::subsequence(all, 0..=count).prop_shuffle().prop_map(|chosen| chosen.concat())
    })
}

fn a_target() -> impl Strategy<Value = Option<Target>> {
    prop_oneof![
        Just(None),
        a_chain().prop_map(|chain| Some(Target::Jump(chain))),
        Just(Some(Target::Accept)),
        Just(Some(Target::Drop)),
        Just(Some(Target::Reject)),
        Just(Some(Target::Return)),
        (any::<std::net::IpAddr>(), any::<u16>()).prop_map(|to| Some(Target::Dnat(to.into()))),
        any::<bool>().prop_map(|random_fully| Some(Target::Masquerade { random_fully })),
        any::<u32>().prop_map(|bits| Some(Target::MarkXor(bits))),
        any::<u32>().prop_map(|bits| Some(Target::MarkOr(bits))),
    ]
}

fn written(rule: &Rule) -> String {
    let mut out = Vec::new();
    rule.write(&mut out);
    String::from_utf8(out).unwrap()
}

proptest! {
    #[test]
    fn what_is_written_is_read(matches in some_matches(), target in a_target()) {
        let rule = Rule { matches, target };
        let normal = rule.clone().normal();
        prop_assert_eq!(known(&written(&rule)), normal.clone());
        prop_assert_eq!(known(&written(&normal)), normal.clone());
        prop_assert_eq!(spelling::known(&written(&rule)).map(|rule| rule.digest()), Some(normal.digest()));
        prop_assert_eq!(normal.clone().normal(), normal);
    }

    #[test]
    fn no_text_is_too_odd(text in "\\PC*|[ \\t\\n!:*#\"\\\\A-Za-z0-9/.,-]*") {
        let _ = save(&text);
        let _ = save(&format!("*nat\n-A X {text}\nCOMMIT"));
    }

    #[test]
    fn no_heap_of_words_is_too_odd(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..20)) {
        let _ = save(&words.concat());
        let _ = save(&format!("*nat\n-A X {}\nCOMMIT", words.concat()));
    }
}

const WORDS: &[&str] = &[
    " ",
    " ",
    " ",
    "\n",
    "\"",
    "\\",
    "!",
    "*nat",
    "*filter",
    "*raw",
    "COMMIT",
    ":X - [0:0]",
    ":",
    "[0:0] ",
    "-A X",
    "-I X 3",
    "-D X",
    "-m ",
    "recent ",
    "statistic ",
    "--name ",
    "--set ",
    "--rcheck ",
    "--seconds ",
    "--mask ",
    "--probability ",
    "--mode random ",
    "-s ",
    "-d ",
    "-p ",
    "tcp ",
    "10.0.0.1",
    "/",
    "::1",
    "-j ",
    "MARK ",
    "DNAT ",
    "--to-destination ",
    "--set-xmark ",
    "0x",
    "0",
    "1e308",
    "0.0000000001",
    "4294967296",
    "KUBE-SEP-ä",
    "--comment ",
    "ä",
    "\u{0}",
];
