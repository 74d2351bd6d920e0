//! Turns what the kubelet gives a Pod, and gives it anew when it expires, into a proxy without a kubeconfig.
//!
//! Does not know what is proxied. The folder of the service account is a mount that only the proxy sees.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::proxy::{NODE, Program};

use crate::object;
use crate::stage::{CONFIG, Stage};

const POD: &str = r#"
mount -t tmpfs tmpfs "$(readlink -f /var/run)"
mkdir -p /var/run/secrets/kubernetes.io/serviceaccount
mount --bind "$ACCOUNT" /var/run/secrets/kubernetes.io/serviceaccount
exec "$@"
"#;

/// The token and the authority change while it runs, as a kubelet changes them.
pub(crate) fn rotates() -> Result<()> {
    let mut stage = stage()?;
    let account = account(&stage)?;
    stage.run(&in_pod(&stage, &account, &[])?)?;
    let rotated = stage.explained(follows(&stage, &account));
    rotated?;
    stage.stop()
}

fn follows(stage: &Stage, account: &Path) -> Result<()> {
    serves(stage, 11)?;
    stage.says("using the service account of the Pod", 1)?;

    put(account, "token", "\n")?;
    stage.server.cut_connections();
    stage.says("\"Can't read the credentials anew; those from before stay in use\" err=\"", 1)?;

    put(account, "token", "second\n")?;
    stage.server.change_token("second");
    stage.server.cut_connections();
    stage.set(&object::service("token", 12, 12))?;
    serves(stage, 12)?;
    let asked = stage.server.seen();
    ensure!(asked.iter().any(|seen| seen.authorization == "Bearer second"), "{asked:#?}");

    stage.server.change_certificates()?;
    put(account, "ca.crt", &stage.server.ca_pem().context("the server has TLS")?)?;
    stage.server.cut_connections();
    stage.set(&object::service("authority", 13, 13))?;
    serves(stage, 13)
}

/// Without an authority of its own, those of the system are trusted; without a token there is nothing to try.
pub(crate) fn is_incomplete() -> Result<()> {
    let mut stage = stage()?;
    let account = account(&stage)?;
    fs::remove_file(account.join("ca.crt")).context("remove the authority")?;
    let system = stage.folder.path().join("ca.crt");
    stage.run(&in_pod(&stage, &account, &[("SSL_CERT_FILE", system.display().to_string())])?)?;
    let served = serves(&stage, 11).and_then(|()| {
        stage.says("\"The connection to the API server is not set up as it should be\" err=\"/var/run/secrets/kubernetes.io/serviceaccount/ca.crt: ", 1)
    });
    stage.explained(served)?;
    stage.stop()?;

    fs::remove_file(account.join("token")).context("remove the token")?;
    stage.run(&in_pod(&stage, &account, &[])?)?;
    let path = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    let ended = stage.ends_with(1).and_then(|()| {
        stage.says(&format!("\"command failed\" err=\"{path}: no such file or directory\""), 1)
    });
    stage.explained(ended)?;
    stage.run(&in_pod(&stage, &account, &[("KUBERNETES_SERVICE_PORT", String::new())])?)?;
    let ended = stage
        .ends_with(1)
        .and_then(|()| stage.says("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined", 1));
    stage.explained(ended)
}

fn stage() -> Result<Stage> {
    let stage = Stage::new(Backend::Nft)?;
    stage.set(object::NODE)?;
    stage.set(&object::service("web", 11, 11))?;
    Ok(stage)
}

fn serves(stage: &Stage, pod: u8) -> Result<()> {
    stage.rules_hold(Family::V4, &format!("--to-destination 10.244.0.{pod}:8080"), true)
}

/// The folder with token and authority.
fn account(stage: &Stage) -> Result<PathBuf> {
    let account = stage.folder.path().join("account");
    fs::create_dir(&account).context("make the folder of the service account")?;
    for file in ["token", "ca.crt"] {
        fs::copy(stage.folder.path().join(file), account.join(file))
            .with_context(|| format!("copy {file}"))?;
    }
    Ok(account)
}

/// As a whole: nobody sees half of it.
fn put(account: &Path, file: &str, text: &str) -> Result<()> {
    let new = account.join(".new");
    fs::write(&new, text).with_context(|| format!("write {file}"))?;
    fs::rename(new, account.join(file)).with_context(|| format!("replace {file}"))
}

/// The proxy with a Pod's files and environment, and nothing that names a server.
fn in_pod(stage: &Stage, account: &Path, variables: &[(&str, String)]) -> Result<Program> {
    let config = stage.folder.path().join("in-pod.yaml");
    fs::write(&config, CONFIG).context("write the configuration")?;
    let assign = |(name, value): &(&str, String)| OsString::from(format!("{name}={value}"));
    let environment = [
        ("ACCOUNT", account.display().to_string()),
        ("KUBERNETES_SERVICE_HOST", "127.0.0.1".to_owned()),
        ("KUBERNETES_SERVICE_PORT", "6443".to_owned()),
    ];
    let mut through: Vec<OsString> = vec!["env".into()];
    through.extend(environment.iter().chain(variables).map(assign));
    through.extend(["unshare", "--mount", "sh", "-ec", POD, "pod"].map(OsString::from));
    let words =
        vec!["--config".into(), config.into(), "--hostname-override".into(), NODE.into(), "-v=2".into()];
    Ok(Program { through, words, ..Program::new()? })
}
