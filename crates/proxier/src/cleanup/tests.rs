use std::collections::BTreeMap;

use super::*;

/// The chains of `services` Services with a chain each of the roles above endpoints, and five endpoints.
fn nat_chains(services: usize) -> BTreeSet<ChainName> {
    let fixed =
        ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ", "KUBE-PROXY-CANARY"];
    let of_service = |service: usize| {
        let endpoints = (0..5).map(move |endpoint| format!("KUBE-SEP-{service:015}{endpoint}"));
        ["SVC", "SVL", "EXT", "FW"]
            .map(|role| format!("KUBE-{role}-{service:016}"))
            .into_iter()
            .chain(endpoints)
    };
    let names = fixed.map(str::to_owned).into_iter().chain((0..services).flat_map(of_service));
    names.map(|name| ChainName::parse(&name)).collect()
}

#[derive(Debug)]
enum Step {
    Empty(ChainName),
    Delete(ChainName),
}

fn transactions(input: &[u8]) -> Vec<Vec<Step>> {
    let text = std::str::from_utf8(input).unwrap();
    let mut transactions = Vec::new();
    for command in parse::commands(text).map(Result::unwrap) {
        if let Command::Table(table) = command {
            assert_eq!(table, Table::Nat);
            transactions.push(Vec::new());
        } else if let Command::Chain { chain, policy: None } = command {
            transactions.last_mut().unwrap().push(Step::Empty(chain));
        } else if let Command::DeleteChain(chain) = command {
            transactions.last_mut().unwrap().push(Step::Delete(chain));
        } else {
            assert_eq!(command, Command::Commit);
        }
    }
    transactions
}

#[test]
fn a_single_transaction_empties_before_it_deletes() {
    let existing = ["INPUT", "KUBE-SERVICES", "KUBE-MARK-MASQ", "KUBE-SEP-A", "KUBE-KUBELET-CANARY"];
    let existing = existing.map(ChainName::parse).into_iter().collect();
    let input = deletion(&[Mode::Iptables], Table::Nat, &existing, Layout::Single);
    expect_test::expect![[r"
        *nat
        :KUBE-SERVICES - [0:0]
        :KUBE-SEP-A - [0:0]
        :KUBE-MARK-MASQ - [0:0]
        -X KUBE-SERVICES
        -X KUBE-SEP-A
        -X KUBE-MARK-MASQ
        COMMIT
    "]]
    .assert_eq(&String::from_utf8(input).unwrap());
}

#[test]
fn only_chains_of_kube_proxy_go() {
    let names = [
        "INPUT",
        "KUBE-SERVICES",
        "KUBE-EXTERNAL-SERVICES",
        "KUBE-FORWARD",
        "KUBE-NODEPORTS",
        "KUBE-POSTROUTING",
        "KUBE-MARK-MASQ",
        "KUBE-PROXY-FIREWALL",
        "KUBE-PROXY-CANARY",
        "KUBE-FIREWALL",
        "KUBE-KUBELET-CANARY",
        "KUBE-IPTABLES-HINT",
        "KUBE-SVC-A",
        "KUBE-SEPARATE",
        "cali-INPUT",
    ];
    let owned = |mode: Mode, table| {
        names.into_iter().filter(|name| mode.owns(table, &ChainName::parse(name))).collect::<Vec<_>>()
    };
    let nat = ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ", "KUBE-PROXY-CANARY"];
    assert_eq!(owned(Mode::Iptables, Table::Nat), [nat.as_slice(), &["KUBE-SVC-A"]].concat());
    assert_eq!(
        owned(Mode::Iptables, Table::Filter),
        [
            "KUBE-SERVICES",
            "KUBE-EXTERNAL-SERVICES",
            "KUBE-FORWARD",
            "KUBE-NODEPORTS",
            "KUBE-PROXY-FIREWALL",
            "KUBE-PROXY-CANARY"
        ]
    );
    assert_eq!(owned(Mode::Ipvs, Table::Nat), ["KUBE-SERVICES", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"]);
    assert_eq!(owned(Mode::Ipvs, Table::Filter), ["KUBE-FORWARD", "KUBE-PROXY-FIREWALL"]);
}

/// Chains of both modes jump to shared ones, so all of them must be emptied in time.
#[test]
fn modes_go_together() {
    let existing = ["KUBE-SERVICES", "KUBE-LOAD-BALANCER", "KUBE-SEP-A", "KUBE-MARK-MASQ"];
    let existing = existing.map(ChainName::parse).into_iter().collect();
    let input = deletion(&[Mode::Iptables, Mode::Ipvs], Table::Nat, &existing, Layout::Blocks);
    expect_test::expect![[r"
        *nat
        :KUBE-SERVICES - [0:0]
        :KUBE-SEP-A - [0:0]
        :KUBE-MARK-MASQ - [0:0]
        :KUBE-LOAD-BALANCER - [0:0]
        -X KUBE-SERVICES
        -X KUBE-SEP-A
        -X KUBE-MARK-MASQ
        -X KUBE-LOAD-BALANCER
        COMMIT
    "]]
    .assert_eq(&String::from_utf8(input).unwrap());
}

#[test]
fn jumps_go_first_and_with_all_their_copies() {
    let portals = "-m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES";
    let save = format!(
        "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n\
         -A PREROUTING {portals}\n-A PREROUTING -j KUBE-SERVICES\n-A PREROUTING {portals}\n\
         -A OUTPUT -m comment --comment \"cali:x\" -j cali-OUTPUT\n-A OUTPUT {portals}\nCOMMIT\n"
    );
    let input = removal(&[Mode::Iptables], Table::Nat, &save, Layout::Single);
    expect_test::expect![[r#"
        *nat
        -D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        -D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        -D OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        COMMIT
        *nat
        :KUBE-SERVICES - [0:0]
        -X KUBE-SERVICES
        COMMIT
    "#]]
    .assert_eq(&String::from_utf8(input).unwrap());
}

#[test]
fn a_jump_is_known_as_iptables_prints_it() {
    for mode in [Mode::Iptables, Mode::Ipvs] {
        for jump in mode.jumps() {
            let mut save = Vec::new();
            text::append(&jump.from, &jump.rule, &mut save);
            let input = removal(&[mode], jump.table, &String::from_utf8(save).unwrap(), Layout::Single);
            assert!(String::from_utf8(input).unwrap().contains(&format!("-D {} ", jump.from)), "{jump:?}");
        }
    }
}

#[test]
fn where_nothing_is_left_nothing_is_written() {
    let existing = ["INPUT", "KUBE-KUBELET-CANARY"].map(ChainName::parse).into_iter().collect();
    for layout in [Layout::Single, Layout::Blocks] {
        assert!(deletion(&[Mode::Iptables], Table::Nat, &existing, layout).is_empty());
    }
}

#[test]
fn blocks_are_bounded_and_their_names_descend() {
    let existing = nat_chains(100);
    let transactions = transactions(&deletion(&[Mode::Iptables], Table::Nat, &existing, Layout::Blocks));
    assert_eq!(transactions.len(), existing.len().div_ceil(CHAINS_PER_BLOCK));
    for transaction in &transactions {
        let (emptied, deleted) = transaction.split_at(transaction.len() / 2);
        let (emptied, deleted) =
            (emptied.iter().map(name).collect::<Vec<_>>(), deleted.iter().map(name).collect::<Vec<_>>());
        assert!(emptied.len() <= CHAINS_PER_BLOCK, "{}", emptied.len());
        assert_eq!(emptied, deleted);
        assert!(emptied.is_sorted_by(|one, other| one > other), "{emptied:?}");
    }
}

fn name(step: &Step) -> &ChainName {
    match step {
        Step::Empty(chain) | Step::Delete(chain) => chain,
    }
}

#[test]
fn no_chain_goes_while_another_jumps_to_it() {
    let existing = nat_chains(100);
    let mut left: BTreeMap<ChainName, BTreeSet<ChainName>> =
        existing.iter().map(|chain| (chain.clone(), jumps_of(chain, &existing))).collect();
    for transaction in transactions(&deletion(&[Mode::Iptables], Table::Nat, &existing, Layout::Blocks)) {
        for step in transaction {
            match step {
                Step::Empty(chain) => left.get_mut(&chain).unwrap().clear(),
                Step::Delete(chain) => {
                    assert!(left.remove(&chain).unwrap().is_empty(), "{chain} is not empty");
                    assert!(left.values().all(|jumps| !jumps.contains(&chain)), "{chain} is jumped to");
                }
            }
        }
    }
    assert!(left.is_empty(), "{left:?}");
}

/// To where a chain of that name may lead at most, of the chains that exist.
fn jumps_of(chain: &ChainName, existing: &BTreeSet<ChainName>) -> BTreeSet<ChainName> {
    let name = chain.to_string();
    let below: &[&str] = match name.split('-').nth(1).unwrap() {
        "SERVICES" | "NODEPORTS" => &["KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-", "KUBE-MARK-MASQ"],
        "FW" => &["KUBE-EXT-"],
        "EXT" => &["KUBE-SVC-", "KUBE-SVL-", "KUBE-MARK-MASQ"],
        "SVC" | "SVL" => &["KUBE-SEP-", "KUBE-MARK-MASQ"],
        "SEP" => &["KUBE-MARK-MASQ"],
        _ => &[],
    };
    let is_below = |to: &&ChainName| below.iter().any(|prefix| to.to_string().starts_with(prefix));
    existing.iter().filter(is_below).cloned().collect()
}

#[test]
fn all_jumps_go_but_those_that_the_kubelet_makes_too() {
    let jumps = Mode::Iptables.jumps();
    assert_eq!(jumps.len(), 12);
    assert_eq!(
        jumps.first().map(|jump| (&jump.from, &jump.to)),
        Some((&ChainName::INPUT, &ChainName::KUBE_EXTERNAL_SERVICES))
    );
    assert!(jumps.iter().all(|jump| jump.to != ChainName::KUBE_FIREWALL));
    for mode in [Mode::Iptables, Mode::Ipvs] {
        assert!(mode.jumps().iter().all(|jump| mode.owns(jump.table, &jump.to)), "{mode:?}");
    }
}

#[test]
fn jumps_of_ipvs_mode_are_told_by_their_comments() {
    let lines: Vec<_> = Mode::Ipvs
        .jumps()
        .iter()
        .map(|jump| {
            let mut line = Vec::new();
            text::append(&jump.from, &jump.rule, &mut line);
            format!("{} {}", jump.table, String::from_utf8(line).unwrap())
        })
        .collect();
    assert!(
        lines.contains(
            &"filter -A INPUT -m comment --comment \"kubernetes ipvs access filter\" -j KUBE-IPVS-FILTER\n"
                .to_owned()
        ),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 9);
}
