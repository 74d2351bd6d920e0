//! What the tests of flags share; one file for each kind of question.

mod each;
mod file;
mod table_of_flags;
mod words;

use std::io;
use std::path::Path;

use config::{DetectLocalMode, Duration, FlushFrequency, ProxyMode, VModule};
use proxier::backend::{Backend, Wanted};

use super::complete::{Notice, Refusal};
use super::*;

/// Every flag of the original kube-proxy v1.36 on Linux.
const ORIGINAL: [&str; 59] = [
    "bind-address",
    "bind-address-hard-fail",
    "boot-id-file",
    "cleanup",
    "cluster-cidr",
    "config",
    "config-sync-period",
    "conntrack-max-per-core",
    "conntrack-min",
    "conntrack-tcp-be-liberal",
    "conntrack-tcp-timeout-close-wait",
    "conntrack-tcp-timeout-established",
    "conntrack-udp-timeout",
    "conntrack-udp-timeout-stream",
    "detect-local-mode",
    "feature-gates",
    "healthz-bind-address",
    "healthz-port",
    "help",
    "hostname-override",
    "init-only",
    "iptables-localhost-nodeports",
    "iptables-masquerade-bit",
    "iptables-min-sync-period",
    "iptables-sync-period",
    "ipvs-exclude-cidrs",
    "ipvs-min-sync-period",
    "ipvs-scheduler",
    "ipvs-strict-arp",
    "ipvs-sync-period",
    "ipvs-tcp-timeout",
    "ipvs-tcpfin-timeout",
    "ipvs-udp-timeout",
    "kube-api-burst",
    "kube-api-content-type",
    "kube-api-qps",
    "kubeconfig",
    "log-flush-frequency",
    "log-json-info-buffer-size",
    "log-json-split-stream",
    "log-text-info-buffer-size",
    "log-text-split-stream",
    "logging-format",
    "machine-id-file",
    "masquerade-all",
    "master",
    "metrics-bind-address",
    "metrics-port",
    "nodeport-addresses",
    "oom-score-adj",
    "pod-bridge-interface",
    "pod-interface-name-prefix",
    "profiling",
    "proxy-mode",
    "show-hidden-metrics-for-version",
    "v",
    "version",
    "vmodule",
    "write-config-to",
];

const FILE: &str = "
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
oomScoreAdj: 7
hostnameOverride: from-the-file
logging: {verbosity: 1, vmodule: [{filePattern: of-the-file, verbosity: 3}]}
";

fn parse(words: &[&str]) -> Result<Flags, Stop> {
    Flags::parse(words.iter().map(|word| (*word).to_owned()))
}

fn flags(words: &[&str]) -> Flags {
    parse(words).unwrap_or_else(|stop| panic!("{words:?}: {stop:?}"))
}

/// The configuration of flags without a file.
fn configuration(words: &[&str]) -> Config {
    flags(words).complete(None).unwrap().config
}

/// The configuration of flags beside a file.
fn with_file(words: &[&str]) -> Config {
    flags(words).complete(Some(FILE)).unwrap().config
}

/// The flags change the default in this way and in no other.
#[track_caller]
fn sets(words: &[&str], change: impl FnOnce(&mut Config)) {
    let mut expected = Config::default();
    change(&mut expected);
    assert_ne!(expected, Config::default(), "{words:?}: the test must set something else than the default");
    assert_eq!(configuration(words), expected, "{words:?}");
}

/// What stands behind `Error: ` on stderr.
#[track_caller]
fn refused(words: &[&str]) -> String {
    let stop = parse(words).expect_err("the command line is wrong");
    assert_eq!(stop.exit_code(), 1);
    let Stop::Refusal(text) = stop else { panic!("{words:?}: not an error") };
    let (usage, error) = text.split_once("\nError: ").unwrap();
    assert!(usage.starts_with("Makes Kubernetes Services reachable") && usage.ends_with('\n'), "{usage}");
    error.trim_end().to_owned()
}

fn given(name: &str, words: &[&str]) -> String {
    flags(words).values().into_iter().find(|(flag, _)| *flag == name).unwrap().1
}
