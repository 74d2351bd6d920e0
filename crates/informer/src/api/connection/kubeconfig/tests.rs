//! What kubeconfigs of every shape come to.

use std::fs;
use std::path::PathBuf;

use crate::api::connection::{ConnectError, Connection, Loaded, load};

/// What comes of a kubeconfig with these options of its cluster and its user.
fn loaded(folder: &tempfile::TempDir, cluster: &str, user: &str) -> Result<Loaded, ConnectError> {
    let kubeconfig = folder.path().join("kubeconfig");
    let text = format!(
        "clusters: [{{name: a, cluster: {{server: 'https://127.0.0.1:9', {cluster}}}}}]\nusers: [{{name: b, user: {{{user}}}}}]\ncontexts: [{{name: c, context: {{cluster: a, user: b}}}}]\ncurrent-context: c\n"
    );
    fs::write(&kubeconfig, text).unwrap();
    load(&Connection { kubeconfig: Some(kubeconfig), ..Connection::default() })
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn error(folder: &tempfile::TempDir, cluster: &str, user: &str) -> String {
    loaded(folder, cluster, user).err().unwrap().to_string()
}

fn user(loaded: &Loaded) -> serde_json::Value {
    serde_json::to_value(&loaded.config.auth_info).unwrap()
}

#[test]
fn an_empty_option_is_not_set() {
    let cluster =
        "certificate-authority: '', certificate-authority-data: '', proxy-url: '', tls-server-name: ''";
    let named = "client-certificate: '', client-certificate-data: '', client-key: '', client-key-data: '', token: '', tokenFile: '', username: '', password: '', as: ''";
    let loaded = loaded(&folder(), cluster, named).unwrap();
    assert_eq!(user(&loaded), serde_json::json!({}));
    assert_eq!((loaded.config.root_cert, loaded.config.tls_server_name), (None, None));
    assert!(loaded.proxy.is_none());
    assert_eq!(loaded.stamps.len(), 1, "only the kubeconfig itself: {:?}", loaded.stamps);
}

#[test]
fn a_user_without_password_is_a_user() {
    let loaded = loaded(&folder(), "", "username: me, password: ''").unwrap();
    assert_eq!(user(&loaded), serde_json::json!({"username": "me", "password": ""}));
}

/// The roots of the system are neither needed nor looked for.
#[test]
fn who_trusts_everybody_needs_no_authority() {
    let loaded = loaded(&folder(), "insecure-skip-tls-verify: true", "").unwrap();
    assert!(loaded.config.accept_invalid_certs);
    assert_eq!(loaded.config.root_cert, Some(vec![]));
}

#[test]
fn an_authority_without_certificates_is_none() {
    let folder = folder();
    fs::write(folder.path().join("ca.crt"), "nothing\n").unwrap();
    for cluster in ["certificate-authority: ca.crt", "certificate-authority-data: bm90aGluZwo="] {
        let error = error(&folder, cluster, "");
        assert_eq!(error, "unable to load root certificates: holds no certificate", "{cluster}");
    }
}

#[test]
fn the_token_in_a_file_counts_more_than_one_that_is_given() {
    let folder = folder();
    let file: PathBuf = folder.path().join("token");
    fs::write(&file, " from-file\n").unwrap();
    let both = "token: given, tokenFile: token";
    let first = loaded(&folder, "", both).unwrap();
    assert_eq!((user(&first), first.doubts), (serde_json::json!({"token": "from-file"}), vec![]));
    fs::write(&file, "\n").unwrap();
    let second = loaded(&folder, "", both).unwrap();
    assert_eq!(user(&second), serde_json::json!({"token": "given"}));
    assert_eq!(second.doubts, [format!("{}: holds no token; token is used instead", file.display())]);
    assert!(error(&folder, "", "tokenFile: token").ends_with("holds no token"));
    assert!(error(&folder, "", "tokenFile: missing").ends_with("no such file or directory"));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_outdated() {
    let folder = folder();
    let file = folder.path().join("token");
    fs::write(&file, "first").unwrap();
    let loaded = loaded(&folder, "", "tokenFile: token").unwrap();
    assert_eq!(loaded.stamps.iter().filter(|stamp| stamp.is_outdated()).count(), 0);
    fs::write(&file, "the second").unwrap();
    assert_eq!(loaded.stamps.iter().filter(|stamp| stamp.is_outdated()).count(), 1);
}

#[test]
fn a_proxy_that_cannot_be_used_is_named() {
    let proxy = |url: &str| error(&folder(), &format!("proxy-url: '{url}'"), "");
    assert_eq!(proxy("not a url"), r#"proxy-url "not a url" is not the URL of a proxy"#);
    assert_eq!(proxy("ftp://p"), r#"proxy-url "ftp://p": a proxy is http, https, socks5 or socks5h"#);
}
