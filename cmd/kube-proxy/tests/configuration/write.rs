//! What `--write-config-to` writes, and when it cannot.

use std::fs;

use crate::stage::Stage;

/// As upstream's v1.36 writes the defaults.
const RECORDED: &str = include_str!("../../../../crates/config/src/print/recorded.yaml");

#[test]
fn the_defaults() {
    let stage = Stage::new();
    let end = stage.run(&[]);
    assert_eq!((end.code, end.written.as_deref(), end.stdout.as_str()), (Some(0), Some(RECORDED), ""));
    let line = format!("\"Wrote configuration\" file={:?}", stage.written().display().to_string());
    let last = end.stderr.lines().last().unwrap();
    assert!(last.starts_with('I') && last.ends_with(&line), "{end:#?}");
}

#[test]
fn flags_and_their_quotes() {
    let words = ["--bind-address=::", "--healthz-bind-address=[::]:1", "--nodeport-addresses=", "--v=2"];
    let end = Stage::new().run(&words);
    let expected = RECORDED
        .replace("bindAddress: 0.0.0.0\n", "bindAddress: '::'\n")
        .replace("healthzBindAddress: 0.0.0.0:10256", "healthzBindAddress: '[::]:1'")
        .replace("nodePortAddresses: null", "nodePortAddresses: []")
        .replace("verbosity: 0", "verbosity: 2");
    assert_eq!(end.written.as_deref(), Some(expected.as_str()), "{end:#?}");
}

#[test]
fn a_file_and_the_flags_that_count_beside_it() {
    let stage = Stage::new();
    let fields = "bindAddress: fd00::1\nfeatureGates: {B: true, A: false}\nbogus: 1\nlogging: {vmodule: [{filePattern: f, verbosity: 1}]}\n";
    let words =
        ["--hostname-override=Node-1", "--vmodule=a=2", "--oom-score-adj=5", "--cluster-cidr=nonsense"];
    let end = stage.run_with_file(fields, &words);
    let expected = RECORDED
        .replace("bindAddress: 0.0.0.0\n", "bindAddress: fd00::1\n")
        .replace("healthzBindAddress: 0.0.0.0:10256", "featureGates:\n  A: false\n  B: true\nhealthzBindAddress: '[::]:10256'")
        .replace("hostnameOverride: \"\"", "hostnameOverride: node-1")
        .replace("  verbosity: 0\n", "  verbosity: 0\n  vmodule:\n  - filePattern: a\n    verbosity: 2\n  - filePattern: f\n    verbosity: 1\n")
        .replace("metricsBindAddress: 127.0.0.1:10249", "metricsBindAddress: '[::1]:10249'");
    assert_eq!(end.written.as_deref(), Some(expected.as_str()), "{end:#?}");
    assert_eq!(end.code, Some(0));
    assert!(end.stderr.contains("err=\"strict decoding error: unknown field \\\"bogus\\\"\""), "{end:#?}");
}

#[test]
fn what_was_written_can_be_read() {
    let stage = Stage::new();
    let first = stage.run(&["--oom-score-adj=7", "--nodeport-addresses=primary"]).written.unwrap();
    let path = stage.folder.path().join("first.yaml");
    fs::write(&path, &first).unwrap();
    assert_eq!(stage.run(&[&format!("--config={}", path.display())]).written, Some(first));
}

#[test]
fn it_comes_before_everything_that_is_done() {
    let stage = Stage::new();
    for words in
        [&["--cleanup"][..], &["--init-only"], &["--manifests=/nowhere"], &["--master=http://127.0.0.1:9"]]
    {
        let end = stage.run(words);
        assert_eq!((end.code, end.written.as_deref()), (Some(0), Some(RECORDED)), "{words:?}: {end:#?}");
    }
}

#[test]
fn an_old_file_is_cut_off() {
    let stage = Stage::new();
    let path = stage.folder.path().join("old.yaml");
    fs::write(&path, "x".repeat(10_000)).unwrap();
    let end = stage.run_as_told(&[&format!("--write-config-to={}", path.display())]);
    assert_eq!((end.code, fs::read_to_string(&path).unwrap().as_str()), (Some(0), RECORDED));
}

#[test]
fn a_path_that_cannot_be_written() {
    let stage = Stage::new();
    let folder = stage.folder.path().display().to_string();
    for (path, reason) in
        [("/nonexistent/file".to_owned(), "no such file or directory"), (folder, "is a directory")]
    {
        let end = stage.run_as_told(&[&format!("--write-config-to={path}")]);
        end.failed(&format!("open {path}: {reason}"));
    }
}

#[test]
fn a_wrong_configuration_is_not_written() {
    Stage::new().run(&["--oom-score-adj=1001"]).failed(
        "failed validate: KubeProxyConfiguration.KubeProxyLinuxConfiguration.OOMScoreAdj: Invalid value: 1001: must be within the range [-1000, 1000]",
    );
}
