//! Turns the table of flags into docs/reference/flags.md, and fails if that page says something else.
//!
//! `UPDATE_EXPECT=1 cargo test -p kube-proxy reference` writes the page anew.

use std::fmt::Write;

use expect_test::expect_file;

use super::table::{self, Flag};

const HEAD: &str = "\
# Flags

Every flag of `kube-proxy`, generated from the code. Names, syntax and defaults are those of kube-proxy v1.36; flags of
other modes are accepted and have no effect. With `--config`, only the flags marked *beats the file* still count for what
the file has a field for.

| flag | value | default | what it does |
|---|---|---|---|
";

const OURS: &str = "
## Flags that only this kube-proxy has

| flag | value | default | what it does |
|---|---|---|---|
";

const GONE: &str = "
## Flags that v1.36 does not know either

They are refused as unknown.

| flags | why |
|---|---|
";

const UNKNOWN: [(&[&str], &str); 3] = [
    (
        &["cleanup-ipvs", "proxy-port-range", "resource-container", "udp-timeout"],
        "removed long ago; `--cleanup` includes IPVS, and timeouts are those of `--conntrack-udp-timeout`",
    ),
    (
        &[
            "add-dir-header",
            "alsologtostderr",
            "log-backtrace-at",
            "log-dir",
            "log-file",
            "logtostderr",
            "one-output",
            "skip-headers",
            "stderrthreshold",
        ],
        "removed with 1.26; the log goes to standard error",
    ),
    (
        &[
            "enable-dsr",
            "forward-healthcheck-vip",
            "network-name",
            "root-hnsendpoint-name",
            "source-vip",
            "windows-service",
        ],
        "on Windows only",
    ),
];

#[test]
fn the_page_has_every_flag() {
    let mut page = HEAD.to_owned();
    rows(&mut page, |flag| !flag.is_ours);
    page.push_str(OURS);
    rows(&mut page, |flag| flag.is_ours);
    page.push_str(GONE);
    for (flags, why) in UNKNOWN {
        assert!(table::all().all(|flag| !flags.contains(&flag.name)), "{flags:?}");
        let flags: Vec<_> = flags.iter().map(|name| format!("`--{name}`")).collect();
        writeln!(page, "| {} | {why} |", flags.join(", ")).expect("memory takes all");
    }
    expect_file!["../../../../docs/reference/flags.md"].assert_eq(&page);
}

fn rows(page: &mut String, is_wanted: fn(&Flag) -> bool) {
    let mut flags: Vec<_> = table::all().filter(|flag| is_wanted(flag)).collect();
    flags.sort_unstable_by_key(|flag| flag.name);
    for flag in flags {
        let short = flag.short.map(|letter| format!(", `-{letter}`")).unwrap_or_default();
        let default = match flag.default_text() {
            text if text.is_empty() => String::new(),
            text => format!("`{text}`"),
        };
        let kind = flag.set.kind().replace('|', "\\|");
        writeln!(page, "| `--{}`{short} | {kind} | {default} | {} |", flag.name, effect(flag))
            .expect("memory takes all");
    }
}

fn effect(flag: &Flag) -> String {
    let mut text = flag.help.replace('|', "\\|");
    if flag.beats_file {
        text.push_str(" *Beats the file.*");
    }
    if let Some(instead) = flag.deprecated {
        write!(text, " *Deprecated: {instead}.*").expect("memory takes all");
    }
    text
}
