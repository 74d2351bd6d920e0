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
    stderr: Stderr<'a>,
}

/// Standard error, as far as it matters.
enum Stderr<'a> {
    /// Nothing at all.
    Empty,
    /// The usage, and then exactly this line.
    Usage(&'a str),
    /// Exactly this line.
    Line(&'a str),
    /// The last line of the log says that the command failed, with exactly this error.
    Failed(&'a str),
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
    let refused = |line| End { code: 1, stdout: "", stderr: Stderr::Usage(line) };
    let superfluous = |line| End { code: 1, stdout: "", stderr: Stderr::Line(line) };
    let failed = |error| End { code: 1, stdout: "", stderr: Stderr::Failed(error) };
    let cases: [(&[&str], End); 18] = [
        (&["--nosuch"], refused("Error: unknown flag: --nosuch")),
        (&["-x"], refused("Error: unknown shorthand flag: 'x' in -x")),
        (&["--v"], refused("Error: flag needs an argument: --v")),
        (&["-v"], refused("Error: flag needs an argument: 'v' in -v")),
        (&["--cleanup-ipvs"], refused("Error: unknown flag: --cleanup-ipvs")),
        (
            &["--iptables-sync-period", "3"],
            refused(
                "Error: invalid argument \"3\" for \"--iptables-sync-period\" flag: missing unit in duration \"3\"",
            ),
        ),
        (&["foo"], superfluous("Error: \"kube-proxy\" does not take any arguments, got [\"foo\"]")),
        (
            &["--masquerade-all", "true"],
            superfluous("Error: \"kube-proxy\" does not take any arguments, got [\"true\"]"),
        ),
        (&["--hostname-override", "  "], failed("failed complete: empty hostname-override is invalid")),
        (&["--config", "/nowhere"], failed("failed complete: open /nowhere: no such file or directory")),
        (
            &[&typo],
            failed(
                "failed complete: failed to decode: oomScoreAdj: must be a 32-bit integer, not the string \"5\"",
            ),
        ),
        (&[&other], failed("failed complete: failed to decode: kind is missing")),
        (
            &["--oom-score-adj=1001"],
            failed(
                "failed validate: KubeProxyConfiguration.KubeProxyLinuxConfiguration.OOMScoreAdj: Invalid value: 1001: must be within the range [-1000, 1000]",
            ),
        ),
        (
            &["--proxy-mode=kernelspace"],
            failed(
                "failed validate: KubeProxyConfiguration.Mode.ProxyMode: Invalid value: \"kernelspace\": there is no such mode: this kube-proxy implements only the mode iptables",
            ),
        ),
        (
            &[&ipvs],
            failed(
                "failed validate: KubeProxyConfiguration.Mode.ProxyMode: Invalid value: \"ipvs\": this kube-proxy implements only the mode iptables",
            ),
        ),
        (&["--kubeconfig=/nowhere"], failed("stat /nowhere: no such file or directory")),
        (
            &["--master=http://127.0.0.1:9", "--kube-api-burst=0"],
            failed(
                "clientConnection.burst (--kube-api-burst) must be greater than 0 unless qps is 0 or less",
            ),
        ),
        (&["--version"], End { code: 0, stdout: "Kubernetes v1.36.2\n", stderr: Stderr::Empty }),
    ];
    let (netns, tools) = (Netns::new("words")?, Tools::new(Backend::Nft)?);
    for (words, end) in cases {
        let output =
            tools.equip(netns.command(binary()?).args(words)).output().context("start kube-proxy")?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        let is_as_expected = output.status.code() == Some(end.code)
            && output.stdout == end.stdout.as_bytes()
            && end.stderr.is(&stderr);
        ensure!(is_as_expected, "{words:?}: {output:?}");
    }
    Ok(())
}

impl Stderr<'_> {
    fn is(&self, found: &str) -> bool {
        let last = found.lines().last().unwrap_or_default();
        match self {
            Stderr::Empty => found.is_empty(),
            Stderr::Usage(line) => last == *line && found.contains("\nUsage:"),
            Stderr::Line(line) => found.strip_suffix('\n') == Some(line),
            Stderr::Failed(error) => {
                last.starts_with('E') && last.ends_with(&format!("] \"command failed\" err={error:?}"))
            }
        }
    }
}
