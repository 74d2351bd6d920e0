//! How words of the command line are read, and what answers them at once.

use super::*;

#[test]
fn values_follow_an_equal_sign_or_stand_alone() {
    for words in [&["--oom-score-adj=-5"][..], &["--oom-score-adj", "-5"], &["--oom_score_adj=-5"]] {
        sets(words, |c| c.oom_score_adj = -5);
    }
    sets(&["--pod-bridge-interface", "--x_y"], |c| c.detect_local.bridge_interface = "--x_y".into());
    sets(&["--pod-bridge-interface=a=b"], |c| c.detect_local.bridge_interface = "a=b".into());
    for words in [&["-v2"][..], &["-v=2"], &["-v", "2"], &["--v=2"], &["--v", "2"]] {
        sets(words, |c| c.logging.verbosity = 2);
    }
    sets(&["--v=1", "-v3", "--v", "2"], |c| c.logging.verbosity = 2);
    sets(&["", "--v=2", ""], |c| c.logging.verbosity = 2);
    assert!(!flags(&["--cleanup", "--cleanup=false"]).typed.cleanup);
}

#[test]
fn an_empty_address_leaves_the_one_before_it() {
    assert_eq!(configuration(&["--bind-address=", "--healthz-bind-address="]), Config::default());
    assert_eq!(configuration(&["--metrics-bind-address="]), Config::default());
    sets(&["--bind-address=::1", "--bind-address="], |c| c.bind_address = "::1".into());
}

#[test]
fn wrong_words_are_refused() {
    for (words, error) in [
        (&["--nosuch"][..], "unknown flag: --nosuch"),
        (&["--no_such=1"], "unknown flag: --no_such"),
        (&["--vers"], "unknown flag: --vers"),
        (&["--enable-dsr"], "unknown flag: --enable-dsr"),
        (&["-x"], "unknown shorthand flag: 'x' in -x"),
        (&["-config=x"], "unknown shorthand flag: 'c' in -config=x"),
        (&["-v"], "flag needs an argument: 'v' in -v"),
        (&["--v"], "flag needs an argument: --v"),
        (&["--config"], "flag needs an argument: --config"),
        (&["--=x"], "bad flag syntax: --=x"),
        (&["---x"], "bad flag syntax: ---x"),
        (&["-vx"], "invalid argument \"x\" for \"-v, --v\" flag: want an integer from 0 to 2147483647"),
        (
            &["--v=", "--nosuch"],
            "invalid argument \"\" for \"-v, --v\" flag: want an integer from 0 to 2147483647",
        ),
        (&["--help", "--nosuch"], "unknown flag: --nosuch"),
    ] {
        assert_eq!(refused(words), error, "{words:?}");
    }
}

#[test]
fn arguments_are_refused() {
    for (words, found) in [
        (&["foo"][..], r#"["foo"]"#),
        (&["--cleanup", "true"], r#"["true"]"#),
        (&["--", "--cleanup", ""], r#"["--cleanup" ""]"#),
        (&["a", "--cleanup", "", "b\u{a0}\"c"], r#"["a" "" "b\u00a0\"c"]"#),
        (&["-", "--version"], r#"["-"]"#),
    ] {
        let text = format!("Error: \"kube-proxy\" does not take any arguments, got {found}\n");
        assert_eq!(parse(words).unwrap_err(), Stop::Refusal(text), "{words:?}");
    }
}

#[test]
fn help_tells_of_all_flags_but_deprecated_ones() {
    for words in [&["--help"][..], &["-h"], &["foo", "--help", "--version"]] {
        let stop = parse(words).unwrap_err();
        assert_eq!(stop.exit_code(), 0);
        let Stop::Answer(help) = stop else { panic!("{words:?}") };
        let (usual, ours) = help.split_once("\nFlags that only this kube-proxy has:\n").unwrap();
        assert!(ours.contains("--manifests <path>") && !ours.contains("--config"), "{ours}");
        for flag in table::all().filter(|flag| !flag.is_ours) {
            let told =
                usual.contains(&format!("--{} ", flag.name)) || usual.contains(&format!("--{}[=", flag.name));
            assert_eq!(told, flag.deprecated.is_none(), "--{}", flag.name);
        }
    }
}

#[test]
fn versions() {
    let answer = |words: &[&str]| match parse(words) {
        Err(Stop::Answer(text)) => Some(text),
        Err(Stop::Refusal(text)) => panic!("{words:?}: {text}"),
        Ok(_) => None,
    };
    assert_eq!(answer(&["--version"]).as_deref(), Some("Kubernetes v1.36.2\n"));
    assert_eq!(answer(&["--version=1"]).as_deref(), Some("Kubernetes v1.36.2\n"));
    assert_eq!(
        answer(&["--version=v1.36.2-acme", "--version"]).as_deref(),
        Some("Kubernetes v1.36.2-acme\n")
    );
    let raw = answer(&["--version=raw"]).unwrap();
    assert!(raw.starts_with(r#"version.Info{Major:"1", Minor:"36", EmulationMajor:"""#), "{raw}");
    assert!(raw.contains(r#"GitVersion:"v1.36.2""#) && raw.ends_with("\"}\n"), "{raw}");
    assert_eq!(answer(&["--version=false"]), None);
    assert_eq!(flags(&["--version=v1.36.2+acme"]).typed.release, "v1.36.2+acme");
    for other in ["v1.36.3", "v1.36.20", "1.36.2"] {
        assert!(refused(&[&format!("--version={other}")]).starts_with("invalid argument"), "{other}");
    }
}

#[test]
fn deprecated_flags_say_what_to_use() {
    assert_eq!(
        flags(&["--healthz-port=1", "--metrics_port", "2"]).deprecations,
        [
            "Flag --healthz-port has been deprecated, use --healthz-bind-address with a port",
            "Flag --metrics-port has been deprecated, use --metrics-bind-address with a port",
        ]
    );
    assert_eq!(flags(&["--v=1"]).deprecations, [""; 0]);
}
