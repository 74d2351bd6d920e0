//! Turns command lines into exit codes and the words that go with them.
//!
//! Does not know what a flag does; each has its own test in the daemon.

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Tools};
use e2e::netns::Netns;
use e2e::proxy::binary;
use tempfile::TempDir;

/// The end of a process.
struct End<'a> {
    code: i32,
    stdout: &'a str,
    /// A line of standard error ends with it.
    stderr: &'a str,
    shows_usage: bool,
}

/// Command lines that are refused, or only ask.
pub(crate) fn ends() -> Result<()> {
    let folder = TempDir::with_prefix("kp-config-").context("make a folder for configurations")?;
    let file = |name: &str, text: &str| -> Result<String> {
        let path = folder.path().join(name);
        std::fs::write(&path, text).with_context(|| format!("write {name}"))?;
        Ok(format!("--config={}", path.display()))
    };
    let head = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";
    let (typo, other) = (file("typo", &format!("{head}oomScoreAdj: '5'\n"))?, file("other", "{}")?);
    let ipvs = file("ipvs", &format!("{head}mode: ipvs\n"))?;
    let refused = |stderr| End { code: 1, stdout: "", stderr, shows_usage: true };
    let failed = |stderr| End { code: 1, stdout: "", stderr, shows_usage: false };
    let cases: [(&[&str], End); 16] = [
        (&["--nosuch"], refused("Error: unknown flag: --nosuch")),
        (&["-x"], refused("Error: unknown shorthand flag: 'x' in -x")),
        (&["--v"], refused("Error: flag needs an argument: --v")),
        (&["-v"], refused("Error: flag needs an argument: 'v' in -v")),
        (&["--cleanup-ipvs"], refused("Error: unknown flag: --cleanup-ipvs")),
        (
            &["--iptables-sync-period", "3"],
            refused("invalid argument \"3\" for \"--iptables-sync-period\" flag"),
        ),
        (&["foo"], failed("Error: \"kube-proxy\" does not take any arguments, got [\"foo\"]")),
        (
            &["--masquerade-all", "true"],
            failed("Error: \"kube-proxy\" does not take any arguments, got [\"true\"]"),
        ),
        (&["--hostname-override", "  "], failed("failed complete: empty hostname-override is invalid")),
        (&["--config", "/nowhere"], failed("failed complete: open /nowhere: ")),
        (&[&typo], failed("failed complete: failed to decode: ")),
        (&[&other], failed("failed complete: failed to decode: ")),
        (
            &["--oom-score-adj=1001"],
            failed(
                "failed validate: KubeProxyConfiguration.KubeProxyLinuxConfiguration.OOMScoreAdj: Invalid value: 1001: ",
            ),
        ),
        (&["--proxy-mode=kernelspace"], failed("KubeProxyConfiguration.Mode.ProxyMode")),
        (&[&ipvs], failed("ipvs")),
        (&["--version"], End { code: 0, stdout: "Kubernetes v1.36.2\n", stderr: "", shows_usage: false }),
    ];
    let (netns, tools) = (Netns::new("words")?, Tools::new(Backend::Nft)?);
    for (words, end) in cases {
        let output =
            tools.equip(netns.command(binary()?).args(words)).output().context("start kube-proxy")?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        let is_usage = stderr.contains("Usage:");
        let is_as_expected = output.status.code() == Some(end.code)
            && output.stdout == end.stdout.as_bytes()
            && stderr.lines().any(|line| line.replace('\\', "").contains(&end.stderr.replace('\\', "")))
                | end.stderr.is_empty()
            && is_usage == end.shows_usage;
        ensure!(is_as_expected, "{words:?}: {output:?}");
    }
    Ok(())
}
