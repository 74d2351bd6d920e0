//! The table of flags as a whole: what is in it, and its defaults.

use super::*;

#[test]
fn the_table_has_the_original_flags_and_names_ours() {
    let mut names: Vec<&str> = table::all().filter(|flag| !flag.is_ours).map(|flag| flag.name).collect();
    names.sort_unstable();
    let mut original = ORIGINAL.to_vec();
    original.sort_unstable();
    assert_eq!(names, original);
    let ours: Vec<&str> = table::all().filter(|flag| flag.is_ours).map(|flag| flag.name).collect();
    assert_eq!(ours, ["flush-conntrack", "iptables-backend", "manifests"]);
}

#[test]
fn nothing_typed_is_the_default() {
    assert_eq!(configuration(&[]), Config::default());
    assert_eq!(flags(&[]).typed, Typed::default());
}

#[test]
fn typing_a_default_changes_nothing() {
    // An explicitly empty list is told from none at all.
    let exceptions = ["cluster-cidr", "nodeport-addresses", "ipvs-exclude-cidrs"];
    for flag in table::all().filter(|flag| !exceptions.contains(&flag.name)) {
        let word = format!("--{}={}", flag.name, flag.default);
        assert_eq!(configuration(&[&word]), Config::default(), "{word}");
        assert_eq!(flags(&[&word]).typed, Typed::default(), "{word}");
        assert_eq!(given(flag.name, &[&word]), flag.default_text(), "{word}");
    }
}

#[test]
fn all_values_are_listed_by_name() {
    let values = flags(&["--v=4", "--nodeport-addresses=a,b", "--nodeport-addresses=c"]).values();
    assert!(values.is_sorted());
    assert_eq!(values.len(), table::all().count());
    let value = |name| values.iter().find(|(flag, _)| *flag == name).unwrap().1.as_str();
    assert_eq!(value("v"), "4");
    assert_eq!(value("nodeport-addresses"), "[a,b,c]");
    assert_eq!(value("ipvs-exclude-cidrs"), "[]");
    assert_eq!(value("config-sync-period"), "15m0s");
    assert_eq!(value("cleanup"), "false");
}

#[test]
fn values_are_listed_in_canonical_form() {
    assert_eq!(given("config-sync-period", &["--config-sync-period=90m"]), "1h30m0s");
    assert_eq!(given("oom-score-adj", &["--oom-score-adj=0x10"]), "16");
    assert_eq!(given("cleanup", &["--cleanup=T"]), "true");
    assert_eq!(given("feature-gates", &["--feature-gates=b=0", "--feature-gates=a=1"]), "a=true,b=false");
    assert_eq!(given("vmodule", &["--vmodule=b=1", "--vmodule=a=2"]), "b=1,a=2");
    assert_eq!(given("bind-address", &["--bind-address="]), "0.0.0.0");
    assert_eq!(given("kube-api-qps", &["--kube-api-qps=1e1"]), "10");
    assert_eq!(given("version", &["--version=v1.36.2-acme"]), "v1.36.2-acme");
}
