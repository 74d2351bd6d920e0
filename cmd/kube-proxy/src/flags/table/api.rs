//! Flags about the connection to the API server.
//!
//! All but `--master` are without effect beside a configuration file.

use super::{Flag, Set};

pub(super) static FLAGS: &[Flag] = &[
    Flag::new(
        "kubeconfig",
        "",
        Set::Text(|t, v| t.config.client_connection.kubeconfig = v),
        "How to reach the API server; without it and --master as pods of the cluster do.",
    ),
    Flag::new(
        "master",
        "",
        Set::Text(|t, v| t.typed.master = Some(v).filter(|url| !url.is_empty())),
        "The URL of the API server, whatever the kubeconfig says.",
    ),
    Flag::new(
        "kube-api-qps",
        "5",
        Set::Float32(|t, v| t.config.client_connection.qps = v),
        "Requests to the API server per second on average.",
    ),
    Flag::new(
        "kube-api-burst",
        "10",
        Set::Int32(|t, v| t.config.client_connection.burst = v),
        "Requests to the API server at once.",
    ),
    Flag::new(
        "kube-api-content-type",
        "application/vnd.kubernetes.protobuf",
        Set::Text(|t, v| t.config.client_connection.content_type = v),
        "The encoding of requests; without effect.",
    ),
    Flag::new(
        "config-sync-period",
        "15m0s",
        Set::Duration(|t, v| t.config.config_sync_period = v),
        "Without effect: nothing is looked at again without a reason. Must be positive.",
    ),
    Flag::new(
        "feature-gates",
        "",
        Set::BoolMap(|t, v| t.config.feature_gates = v),
        "Features to turn on or off, by name; those of other components are accepted.",
    ),
];
