//! Rules and texts at random.

use proptest::prelude::*;

use super::*;

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
