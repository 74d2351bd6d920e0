use super::*;

const NFT: Backend = Backend::Nft;
const LEGACY: Backend = Backend::Legacy;

fn content(save: &str) -> Content {
    let mut content = Content::default();
    content.read(save.as_bytes(), usize::MAX).unwrap();
    content
}

#[test]
fn hints_and_rules_are_found_in_a_save() {
    let hinted = |rules| Content { is_hinted: true, rules, is_unreadable: false };
    let plain = |rules| Content { is_hinted: false, rules, is_unreadable: false };
    for (save, expected) in [
        ("", plain(0)),
        ("# Generated\n*mangle\n:INPUT ACCEPT [0:0]\nCOMMIT\n", plain(0)),
        ("*mangle\n:KUBE-IPTABLES-HINT - [0:0]\nCOMMIT\n", hinted(0)),
        ("*mangle\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n", hinted(0)),
        // Ours, another name that begins alike, and a mere mention.
        ("*mangle\n:KUBE-PROXY-CANARY - [0:0]\nCOMMIT\n", plain(0)),
        ("*mangle\n:KUBE-IPTABLES-HINTS - [0:0]\nCOMMIT\n", plain(0)),
        ("-A INPUT -m comment --comment \":KUBE-IPTABLES-HINT \" -j ACCEPT\n", plain(1)),
        ("*nat\n-A A -j B\n[1:2] -A not counted\n-A B -j C\nCOMMIT\n", plain(2)),
        ("-A \u{fffd}\n:KUBE-KUBELET-CANARY - [0:0]", hinted(1)),
    ] {
        assert_eq!(content(save), expected, "{save}");
    }
}

#[test]
fn families_add_up() {
    let mut both = content("-A A -j B\n");
    both.read("-A A -j B\n:KUBE-IPTABLES-HINT - [0:0]\n".as_bytes(), usize::MAX).unwrap();
    assert_eq!(both, Content { is_hinted: true, rules: 2, is_unreadable: false });
}

#[test]
fn nothing_is_read_that_changes_nothing() {
    let mut few = Content::default();
    few.read("-A A -j B\n-A B -j C\n-A C -j D\n:KUBE-IPTABLES-HINT - [0:0]\n".as_bytes(), 2).unwrap();
    assert_eq!(few, Content { is_hinted: false, rules: 2, is_unreadable: false });
    let mut hinted = Content::default();
    hinted.read(":KUBE-IPTABLES-HINT - [0:0]\n-A A -j B\n".as_bytes(), 2).unwrap();
    assert_eq!(hinted, Content { is_hinted: true, rules: 0, is_unreadable: false });
}

#[test]
fn hints_count_more_than_rules_and_nft_more_than_legacy() {
    let content = |is_hinted, rules| Content { is_hinted, rules, is_unreadable: false };
    for (nft, legacy, expected) in [
        (content(false, 0), content(false, 0), None),
        (content(true, 0), content(false, 0), Some((NFT, Reason::Hint))),
        (content(true, 0), content(true, 9), Some((NFT, Reason::Hint))),
        (content(true, 0), content(false, 9), Some((NFT, Reason::Hint))),
        (content(false, 0), content(true, 0), Some((LEGACY, Reason::Hint))),
        (content(false, 9), content(true, 0), Some((LEGACY, Reason::Hint))),
        (content(false, 1), content(false, 0), Some((NFT, Reason::Rules))),
        (content(false, 3), content(false, 3), Some((NFT, Reason::Rules))),
        (content(false, 3), content(false, 4), Some((LEGACY, Reason::Rules))),
        (content(false, 0), content(false, 1), Some((LEGACY, Reason::Rules))),
    ] {
        assert_eq!(decide(nft, legacy), expected, "nft {nft:?}, legacy {legacy:?}");
    }
}

#[test]
fn programs_follow_from_what_is_installed() {
    let installed = |plain, nft, legacy| Installed { plain, nft, legacy };
    let hint = |backend| Some((backend, Reason::Hint));
    let runs = |suite, backend| Ok((suite, backend, None));
    let misses = |suite, backend, missed| Ok((suite, backend, Some(missed)));
    let only = Wanted::Only;
    for (wanted, found, installed, expected) in [
        // An image or a host with everything.
        (Wanted::Auto, None, installed(Some(NFT), true, true), runs(Suite::Plain, Some(NFT))),
        (Wanted::Auto, hint(NFT), installed(Some(NFT), true, true), runs(Suite::Plain, Some(NFT))),
        (Wanted::Auto, hint(LEGACY), installed(Some(NFT), true, true), runs(Suite::Of(LEGACY), Some(LEGACY))),
        (Wanted::Auto, hint(NFT), installed(Some(LEGACY), true, true), runs(Suite::Of(NFT), Some(NFT))),
        (only(NFT), None, installed(Some(NFT), true, true), runs(Suite::Of(NFT), Some(NFT))),
        (only(LEGACY), hint(NFT), installed(Some(NFT), true, true), runs(Suite::Of(LEGACY), Some(LEGACY))),
        // Only `iptables`.
        (Wanted::Auto, None, installed(Some(LEGACY), false, false), runs(Suite::Plain, Some(LEGACY))),
        (only(LEGACY), None, installed(Some(LEGACY), false, false), runs(Suite::Plain, Some(LEGACY))),
        (only(NFT), None, installed(Some(LEGACY), false, false), Err(NoPrograms(NFT))),
        // The backend of the node is not installed.
        (
            Wanted::Auto,
            hint(LEGACY),
            installed(Some(NFT), true, false),
            misses(Suite::Plain, Some(NFT), LEGACY),
        ),
        // No `iptables`.
        (Wanted::Auto, None, installed(None, true, true), runs(Suite::Of(NFT), Some(NFT))),
        (Wanted::Auto, None, installed(None, false, true), runs(Suite::Of(LEGACY), Some(LEGACY))),
        // Nothing at all: what is run will be missed by name.
        (Wanted::Auto, None, installed(None, false, false), runs(Suite::Plain, None)),
        (only(LEGACY), None, installed(None, true, false), Err(NoPrograms(LEGACY))),
    ] {
        let chosen = choose(wanted, found, installed);
        let brief = chosen.map(|chosen| (chosen.suite, chosen.backend, chosen.missed));
        assert_eq!(brief, expected, "{wanted} {found:?} {installed:?}");
    }
}

#[test]
fn the_reason_is_told() {
    let installed = Installed { plain: Some(NFT), nft: true, legacy: true };
    let reason = |wanted, found| choose(wanted, found, installed).unwrap().reason;
    assert_eq!(reason(Wanted::Only(NFT), Some((LEGACY, Reason::Hint))), Reason::Flag);
    assert_eq!(reason(Wanted::Auto, Some((LEGACY, Reason::Rules))), Reason::Rules);
    assert_eq!(reason(Wanted::Auto, None), Reason::Default);
}

#[test]
fn each_suite_has_programs_of_its_own() {
    for (suite, expected) in [
        (Suite::Plain, ["iptables", "ip6tables-save"]),
        (Suite::Of(NFT), ["iptables-nft", "ip6tables-nft-save"]),
        (Suite::Of(LEGACY), ["iptables-legacy", "ip6tables-legacy-save"]),
    ] {
        assert_eq!([suite.programs(Family::V4).rules, suite.programs(Family::V6).save], expected);
        for family in Family::ALL {
            let programs = suite.programs(family);
            assert_eq!(programs.save, format!("{}-save", programs.rules));
            assert_eq!(programs.restore, format!("{}-restore", programs.rules));
        }
    }
}

#[test]
fn a_version_tells_the_backend() {
    for (text, backend) in [
        ("iptables v1.8.9 (nf_tables)", NFT),
        ("iptables v1.8.9 (legacy)", LEGACY),
        ("iptables v1.6.2", LEGACY),
    ] {
        assert_eq!(Backend::of(&Version::parse(text).unwrap()), backend);
    }
}

#[test]
fn wanted_is_read_and_written() {
    for text in ["auto", "nft", "legacy"] {
        assert_eq!(text.parse::<Wanted>().unwrap().to_string(), text);
    }
    assert_eq!("nf_tables".parse::<Wanted>(), Err("want auto, nft or legacy".to_owned()));
}
