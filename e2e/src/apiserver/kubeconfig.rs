//! Writes the files with which a client finds a server and is let in.
//!
//! Knows nothing of the server.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::certificate::Identity;

/// Writes `ca.crt`, `token`, `client.crt`, `client.key` and `kubeconfig`, each as a whole, so that no reader sees half of one.
pub(super) fn write(
    directory: &Path,
    url: &str,
    ca_pem: Option<&str>,
    token: Option<&str>,
    identity: Option<&Identity>,
) -> Result<PathBuf> {
    let mut cluster = format!("    server: {url}\n");
    let mut user = String::new();
    if let Some(ca_pem) = ca_pem {
        let path = put(directory, "ca.crt", ca_pem)?;
        writeln!(cluster, "    certificate-authority: {}", path.display())?;
    }
    if let Some(token) = token {
        let path = put(directory, "token", token)?;
        writeln!(user, "    tokenFile: {}", path.display())?;
    }
    if let Some(identity) = identity {
        let certificate = put(directory, "client.crt", &identity.certificate_pem)?;
        let key = put(directory, "client.key", &identity.key_pem)?;
        writeln!(user, "    client-certificate: {}", certificate.display())?;
        writeln!(user, "    client-key: {}", key.display())?;
    }
    let user = if user.is_empty() { "  user: {}\n".to_owned() } else { format!("  user:\n{user}") };
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: e2e\n  cluster:\n{cluster}users:\n- name: e2e\n{user}contexts:\n- name: e2e\n  context: {{cluster: e2e, user: e2e}}\ncurrent-context: e2e\n"
    );
    put(directory, "kubeconfig", &text)
}

fn put(directory: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    let new = directory.join(format!(".{name}.new"));
    fs::write(&new, text).with_context(|| format!("write {}", new.display()))?;
    fs::rename(&new, &path).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}
