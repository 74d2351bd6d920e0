//! Every metric that the alerts and the dashboard ask for exists.
//!
//! Whether the expressions are right is for Prometheus' own tools: see `make alerts`.

use std::collections::BTreeSet;

use super::{record_everything, started};

const ASKED: &[(&str, &str)] = &[
    ("dashboard", include_str!("../../../../../manifests/observability/dashboard.json")),
    ("rules", include_str!("../../../../../manifests/observability/prometheusrule.yaml")),
];
const PREFIXES: &[&str] = &["kubeproxy_", "rest_client_", "process_", "go_", "kubernetes_"];

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_exist() {
    let (registry, metrics) = started();
    record_everything(&metrics);
    let known: BTreeSet<_> = registry.gather().iter().map(|family| family.name().to_owned()).collect();
    for (file, text) in ASKED {
        let asked = names(text);
        assert!(asked.len() > 8, "{file}: {asked:?}");
        for name in asked {
            let family = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let exists = known.contains(name) || family.is_some_and(|family| known.contains(family));
            assert!(exists, "{file} asks for {name}");
        }
    }
}

/// The words that look like names of metrics; those with a colon are recorded by the rules themselves.
fn names(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':')
        .filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix)) && !word.contains(':'))
        .collect()
}
