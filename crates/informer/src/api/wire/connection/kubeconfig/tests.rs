//! What kubeconfigs of every shape come to.

use std::fs;
use std::path::PathBuf;

use crate::api::wire::connection::{ConnectError, Connection, Loaded, load};

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

/// What is said of the kubeconfig itself.
fn wrong(folder: &tempfile::TempDir, reason: &str) -> String {
    format!("{}: {reason}", folder.path().join("kubeconfig").display())
}

/// What comes of a kubeconfig of these bytes.
fn error_of(folder: &tempfile::TempDir, bytes: &[u8]) -> String {
    let kubeconfig = folder.path().join("kubeconfig");
    fs::write(&kubeconfig, bytes).unwrap();
    let connection = Connection { kubeconfig: Some(kubeconfig), ..Connection::default() };
    load(&connection).err().unwrap().to_string()
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
    let file = format!("certificate-authority {}", folder.path().join("ca.crt").display());
    for (cluster, field) in [
        ("certificate-authority: ca.crt", &*file),
        ("certificate-authority-data: bm90aGluZwo=", "certificate-authority-data"),
    ] {
        assert_eq!(error(&folder, cluster, ""), wrong(&folder, &format!("{field}: holds no certificate")));
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

const UNFIT: &str = "that no header can carry: not all of it is printable ASCII";

#[test]
fn a_token_that_no_header_can_carry_is_refused_and_not_told() {
    let folder = folder();
    let file = folder.path().join("token");
    for token in ["aa\nbb", "aa\u{0}bb", "aa\u{7f}bb", "aa\u{e9}bb", "aa\tbb"] {
        fs::write(&file, token).unwrap();
        let from_file = format!("{}: holds a token {UNFIT}", file.display());
        assert_eq!(error(&folder, "", "tokenFile: token"), from_file, "{token:?}");
        let quoted = serde_json::to_string(token).unwrap().replace('\u{7f}', r"\u007f");
        let given = error(&folder, "", &format!("token: {quoted}"));
        assert_eq!(given, wrong(&folder, &format!("token: is one {UNFIT}")), "{token:?}");
        let provider = format!("auth-provider: {{name: oidc, config: {{id-token: {quoted}}}}}");
        let provided = wrong(&folder, &format!("auth-provider: its id-token is a token {UNFIT}"));
        assert_eq!(error(&folder, "", &provider), provided, "{token:?}");
    }
    fs::write(&file, b"aa\xFFbb").unwrap();
    assert!(error(&folder, "", "tokenFile: token").starts_with(&file.display().to_string()));
}

#[test]
fn a_bad_token_that_is_not_used_does_no_harm() {
    let folder = folder();
    fs::write(folder.path().join("token"), "good\n").unwrap();
    let loaded = loaded(&folder, "", r#"token: "a\nb", tokenFile: token"#).unwrap();
    assert_eq!(user(&loaded), serde_json::json!({"token": "good"}));
}

/// Their answers are not looked at before they are sent.
#[test]
fn a_provider_whose_token_does_not_expire_is_refused() {
    let gcp = "auth-provider: {name: gcp, config: {cmd-path: echo, cmd-args: a}}";
    assert!(error(&folder(), "", gcp).ends_with("auth-provider: cmd-path needs token-key and expiry-key"));
}

#[test]
fn a_kubeconfig_that_is_no_text_is_named() {
    let folder = folder();
    for bytes in [&b"\xFF\xFEa"[..], b"\xFF\xFE\x3D\xD8", b"\xFE\xFFa"] {
        assert_eq!(error_of(&folder, bytes), wrong(&folder, "begins as UTF-16 and is not"), "{bytes:x?}");
    }
    assert_eq!(error_of(&folder, b"a\xFF"), wrong(&folder, "is not UTF-8"));
}

#[test]
fn a_kubeconfig_that_is_no_yaml_is_named_and_not_told() {
    let folder = folder();
    let error = error_of(&folder, b"users:\n- name: a\n  user: {token: secret\nclusters: ]\n");
    assert!(error.starts_with(&wrong(&folder, "failed to parse kubeconfig YAML: ")), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn the_field_that_leads_nowhere_is_named() {
    let folder = folder();
    for (text, reason) in [
        ("clusters: [{name: a, cluster: {server: x}}]", "current-context: is not set"),
        ("current-context: x", r#"current-context: contexts has no "x""#),
        (
            "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]",
            r#"cluster of context "x": clusters has no "c""#,
        ),
        (
            "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\nclusters: [{name: c, cluster: {}}]",
            "server: is not set",
        ),
        (
            "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: 'ftp://x'}}]",
            r#"server: "ftp://x" is not the URL of an API server: its scheme is neither http nor https"#,
        ),
    ] {
        assert_eq!(error_of(&folder, text.as_bytes()), wrong(&folder, reason));
    }
}

#[test]
fn an_identity_that_is_half_there_is_named() {
    let folder = folder();
    let pem = "-----BEGIN CERTIFICATE-----\nbm90aGluZwo=\n-----END CERTIFICATE-----\n";
    for name in ["crt", "key"] {
        fs::write(folder.path().join(name), pem).unwrap();
    }
    fs::write(folder.path().join("none"), "nothing\n").unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    for (user, reason) in [
        ("client-certificate: crt", "client-key: is not set, and client-certificate is".to_owned()),
        ("client-key: key", "client-certificate: is not set, and client-key is".to_owned()),
        (
            "client-certificate: none, client-key: key",
            format!("client-certificate {}: holds no certificate", path("none")),
        ),
        (
            "client-certificate: crt, client-key: key",
            format!("client-key {}: holds no private key (PKCS8, PKCS1 or SEC1)", path("key")),
        ),
        (
            "client-certificate: crt, client-key: missing",
            format!("client-key {}: no such file or directory", path("missing")),
        ),
    ] {
        assert_eq!(error(&folder, "", user), wrong(&folder, &reason));
    }
}
