//! Flags that say what the program does at all.
//!
//! None of them is a part of the configuration.

use super::{Flag, Set};
use crate::flags::version::VersionFlag;

pub(super) static FLAGS: &[Flag] = &[
    Flag::new(
        "config",
        "",
        Set::Path(|t, v| t.typed.config = v),
        "The configuration file; nearly every flag for which it has a field is then without effect.",
    ),
    Flag::new(
        "write-config-to",
        "",
        Set::Path(|t, v| t.typed.write_config_to = v),
        "Write the effective configuration to this file and exit.",
    ),
    Flag::new(
        "init-only",
        "false",
        Set::Bool(|t, v| t.typed.init_only = v),
        "Do what needs full privileges, such as sysctls, and exit; the daemon proper then needs fewer.",
    ),
    Flag::new(
        "cleanup",
        "false",
        Set::Bool(|t, v| t.typed.cleanup = v),
        "Remove the rules of kube-proxy from this node and exit.",
    ),
    Flag::new(
        "version",
        "false",
        Set::Version(|t, v| {
            if let VersionFlag::Report(release) = &v {
                t.typed.release.clone_from(release);
            }
            t.typed.version = v;
        }),
        "Print the Kubernetes release that this one stands in for, and exit; raw prints every detail. The own version is in the log, at the start.",
    ),
    Flag::new(
        "flush-conntrack",
        "true",
        Set::Bool(|t, v| t.typed.flush_conntrack = v),
        "Delete conntrack entries that lead UDP packets of a Service astray. Without it they live for as long as \
         somebody sends: to see the difference, or to find out whether it matters.",
    )
    .ours(),
    Flag::new(
        "iptables-backend",
        "auto",
        Set::Backend(|t, v| t.typed.iptables_backend = v),
        "The kernel has two places for rules of iptables, nft and legacy: write to this one. auto takes the one with \
         chains of the kubelet, else the one with more rules, else that of the program iptables.",
    )
    .ours(),
    Flag::new("help", "false", Set::Bool(|t, v| t.typed.help = v), "Print this text and exit.").short('h'),
    Flag::new(
        "manifests",
        "",
        Set::Path(|t, v| t.typed.manifests = v),
        "Take Services, EndpointSlices and the Node from the YAML and JSON files in this directory, and follow \
         their changes; no API server is needed.",
    )
    .ours(),
];
