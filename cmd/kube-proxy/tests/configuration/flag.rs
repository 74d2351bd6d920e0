//! Each flag of upstream's v1.36, and ours, as `flags.txt` has them.
//!
//! There, `-` is nothing: no field is written, or the value is left out, where any is right. After ` & ` stands what is
//! typed beside the flag.

use std::collections::BTreeSet;

use crate::stage::{Stage, rows};

fn flags() -> Vec<[&'static str; 6]> {
    rows(include_str!("flags.txt"))
}

/// Flags that make it end in another way.
const ELSEWHERE: [&str; 3] = ["config", "help", "write-config-to"];
/// They are not in the help.
const DEPRECATED: [&str; 2] = ["healthz-port", "metrics-port"];

#[test]
fn each_can_be_set() {
    let stage = Stage::new();
    for [name, value, field, written, ..] in flags() {
        let (value, beside) = value.split_once(" & ").map_or((value, None), |(v, beside)| (v, Some(beside)));
        let mut words: Vec<_> = beside.into_iter().collect();
        let mut expected = stage.run(&words).fields();
        let flag = format!("--{name}={value}");
        words.push(&flag);
        let end = stage.run(&words);
        if field != "-" {
            let before = expected.insert(field.to_owned(), written.to_owned());
            assert_ne!(before.as_deref(), Some(written), "--{name} must be set to something else");
        }
        assert_eq!(end.fields(), expected, "--{name}={value}");
        let warning = format!("Flag --{name} has been deprecated, ");
        assert_eq!(end.stderr.starts_with(&warning), DEPRECATED.contains(&name), "{end:#?}");
    }
}

#[test]
fn each_can_be_wrong() {
    let stage = Stage::new();
    for [name, _, _, _, value, reason] in flags() {
        if value == "-" {
            stage.run(&[&format!("--{name}")]).refused(&format!("flag needs an argument: --{name}"));
            continue;
        }
        let end = stage.run(&[&format!("--{name}={value}")]);
        if reason.starts_with("failed ") || reason.starts_with("initialize ") {
            end.failed(reason);
        } else {
            let shown = if name == "v" { "-v, --v".to_owned() } else { format!("--{name}") };
            end.refused(&format!("invalid argument {value:?} for \"{shown}\" flag: {reason}"));
        }
    }
}

/// What is written down has no port of its own, so it shows where the configuration is checked.
#[test]
fn ports_that_are_typed_are_filled_in() {
    let stage = Stage::new();
    for (server, field) in [("healthz", "HealthzBindAddress"), ("metrics", "MetricsBindAddress")] {
        let address = format!("--{server}-bind-address=10.0.0.1");
        stage.run_as_told(&[&address, &format!("--{server}-port=70001")]).failed(&format!(
            "failed validate: KubeProxyConfiguration.{field}: Invalid value: \"70001\": must be a port number from 1 to 65535"
        ));
    }
}

/// The mode is iptables in any case; who leaves it out is told so.
#[test]
fn a_mode_that_is_typed_is_no_news() {
    let stage = Stage::new();
    for (words, is_told) in [(&[][..], true), (&["--proxy-mode="], true), (&["--proxy-mode=iptables"], false)]
    {
        let end = stage.run(words);
        assert_eq!(end.fields()["mode"], "\"iptables\"");
        let told = end.stderr.contains("] \"Using iptables proxy\"\n");
        assert_eq!(told, is_told, "{words:?}: {end:#?}");
    }
}

#[test]
fn those_that_end_in_another_way() {
    let stage = Stage::new();
    let missing = "failed complete: open /nonexistent/file: no such file or directory";
    stage.run(&["--config=/nonexistent/file"]).failed(missing);
    stage.run(&["--config"]).refused("flag needs an argument: --config");
    stage
        .run(&["--help=maybe"])
        .refused("invalid argument \"maybe\" for \"-h, --help\" flag: want true or false");
    stage.run_as_told(&["--write-config-to"]).refused("flag needs an argument: --write-config-to");
    let end = stage.run(&["--version"]);
    let expected = (Some(0), "Kubernetes v1.36.2\n", "");
    assert_eq!((end.code, end.stdout.as_str(), end.stderr.as_str()), expected);
}

#[test]
fn no_flag_is_left_out() {
    let help = Stage::new().run(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    let lines = help.stdout.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let named = lines.filter_map(|line| line.split_once("--")?.1.split([' ', '=', '[']).next());
    let helped: BTreeSet<&str> = named.chain(DEPRECATED).collect();
    let known: BTreeSet<&str> = flags().iter().map(|[name, ..]| *name).chain(ELSEWHERE).collect();
    assert_eq!(helped, known);
}
