//! Turns the build and the feature gates into metrics that never change while the process runs.
//!
//! Knows nothing of flags: the caller says what was built.

use config::{Gate, Gates};
use prometheus::Result;

use super::register::Register;
use crate::built::Build;

/// The gates that this program asks about, with their stage in v1.36; generally available is an empty text.
const GATES: [(Gate, &str); 7] = [
    (Gate::AllowServiceExternalIPs, ""),
    (Gate::ComponentFlagz, "BETA"),
    (Gate::ComponentStatusz, "BETA"),
    (Gate::LoggingAlphaOptions, "ALPHA"),
    (Gate::LoggingBetaOptions, "BETA"),
    (Gate::NativeHistograms, "ALPHA"),
    (Gate::WatchListClient, "BETA"),
];

const LABELS: [&str; 9] = [
    "build_date",
    "compiler",
    "git_commit",
    "git_tree_state",
    "git_version",
    "go_version",
    "major",
    "minor",
    "platform",
];

pub(super) fn register(register: &Register, build: &Build, gates: &Gates) -> Result<()> {
    let help = "[BETA] Always 1; its labels tell what was built";
    let info = register.gauges("kubernetes_build_info", help, &LABELS)?;
    info.with_label_values(&labels(build)).set(1);
    let help =
        "[ALPHA] Always 1; its labels tell the version of this kube-proxy itself, and of which commit it is";
    let own = register.gauges("kubeproxy_build_info", help, &["git_commit", "version"])?;
    own.with_label_values(&[&build.commit, &build.version]).set(1);

    let help = "[BETA] Whether a feature gate is on";
    let features = register.gauges("kubernetes_feature_enabled", help, &["name", "stage"])?;
    for (gate, stage) in GATES {
        features.with_label_values(&[gate.name(), stage]).set(gates.is_enabled(gate).into());
    }
    Ok(())
}

/// The values of [`LABELS`].
fn labels(build: &Build) -> [&str; 9] {
    let (major, minor) = build.major_minor();
    let Build { release, commit, tree_state, date, toolchain, platform, .. } = build;
    [date, "rustc", commit, tree_state, release, toolchain, major, minor, platform]
}
