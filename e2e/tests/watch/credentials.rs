//! Certificates and tokens that change while somebody listens.

use std::fs;

use data_encoding::BASE64;
use e2e::apiserver::Options;
use informer::api::{Failure, Timing};

use crate::consumer::{ALL, Consumer, Stage, connection, hurried};
use crate::objects::service;
use crate::proxy::proxy;

#[test]
fn the_certificate_of_the_server_changes() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    stage.server.change_certificates().unwrap();
    stage.server.cut_connections();
    stage.server.set(service("web", 7)).unwrap();
    let told = consumer.until("the certificate is refused", |told| {
        told.failures.iter().any(|failure| failure.to_string().contains("certificate"))
    });
    assert_eq!(told.known["Service demo/web"], "10.0.0.1", "nothing is believed: {told:#?}");
    // The authority's file changes, as the ConfigMap with it does.
    stage.server.write_kubeconfig(stage.folder.path()).unwrap();
    let told = consumer.until("the new one is trusted", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert!(told.deletions().is_empty(), "{told:#?}");
}

#[test]
fn the_token_rotates() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    stage.server.change_token("second");
    stage.server.cut_connections();
    stage.server.set(service("web", 7)).unwrap();
    consumer.until("the old token is refused", |told| {
        told.failures.iter().any(|failure| matches!(failure, Failure::Refused(status) if status.code == 401))
    });
    // Editors end files with a line's end.
    fs::write(stage.folder.path().join("token"), "second\n").unwrap();
    let told = consumer.until("the new token is used", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert!(told.deletions().is_empty(), "{told:#?}");
}

#[test]
fn credentials_that_cannot_be_read_are_told_of_and_those_from_before_count() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    fs::write(stage.folder.path().join("token"), "").unwrap();
    stage.server.cut_connections();
    stage.server.set(service("web", 7)).unwrap();
    let told = consumer.until("the watch goes on", |told| told.known["Service demo/web"] == "10.0.0.7");
    let reason = format!("{}: holds no token", stage.folder.path().join("token").display());
    assert!(!told.unreadable.is_empty() && told.unreadable.iter().all(|error| *error == reason), "{told:#?}");
    assert!(told.deletions().is_empty(), "{told:#?}");
}

/// As a token that is half written, or a kubeconfig: nothing of it may end the process.
#[test]
fn credentials_that_become_garbage_heal() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    let token = stage.folder.path().join("token");
    let kubeconfig = stage.folder.path().join("kubeconfig");
    let first = fs::read(&kubeconfig).unwrap();
    fs::write(&token, "aa\nbb").unwrap();
    stage.server.cut_connections();
    stage.server.set(service("web", 7)).unwrap();
    consumer.until("the old token lets in", |told| told.known["Service demo/web"] == "10.0.0.7");
    let unfit = format!("{}: holds a token that no header can carry", token.display());
    consumer.until("it is told of", |told| told.unreadable.iter().any(|error| error.starts_with(&unfit)));
    // An odd number of bytes of what looks like UTF-16.
    fs::write(&kubeconfig, b"\xFF\xFEa").unwrap();
    stage.server.change_token("second");
    stage.server.cut_connections();
    stage.server.set(service("web", 8)).unwrap();
    let cut = format!("{}: begins as UTF-16", kubeconfig.display());
    consumer.until("the old token is refused, and there is no other", |told| {
        told.failures.iter().any(|failure| matches!(failure, Failure::Refused(status) if status.code == 401))
            && told.unreadable.iter().any(|error| error.starts_with(&cut))
    });
    fs::write(&kubeconfig, first).unwrap();
    fs::write(&token, "second\n").unwrap();
    let told = consumer.until("the new token is used", |told| told.known["Service demo/web"] == "10.0.0.8");
    assert!(told.deletions().is_empty(), "{told:#?}");
}

#[tokio::test]
async fn requests_that_would_never_have_their_turn_are_refused_at_the_start() {
    let stage = Stage::new(Options::default());
    let kubeconfig = stage.server.write_kubeconfig(stage.folder.path()).unwrap();
    for (qps, is_refused) in [(5.0, true), (0.0, false), (-1.0, false)] {
        let connection = informer::api::Connection { qps, burst: 0, ..connection(&kubeconfig) };
        let connected = informer::api::Server::connect(connection, Timing::default(), |_| {}).await;
        let error = connected.err().map(|error| error.to_string());
        assert_eq!(error.is_some(), is_refused, "{qps}: {error:?}");
        assert!(error.is_none_or(|error| error.contains("--kube-api-burst")));
    }
}

#[test]
fn an_unknown_authority_is_not_trusted() {
    let stage = Stage::new(Options::default());
    let other = Stage::new(Options::default());
    let kubeconfig = stage.server.write_kubeconfig(stage.folder.path()).unwrap();
    fs::write(stage.folder.path().join("ca.crt"), other.server.ca_pem().unwrap()).unwrap();
    let consumer = Consumer::start(connection(&kubeconfig), hurried());
    let told = consumer.until("it fails", |told| told.failures.len() > 3);
    assert!(told.changes.is_empty(), "{told:#?}");
    assert!(stage.server.seen().is_empty(), "the token was not sent to a stranger");
}

#[test]
fn master_takes_the_place_of_the_server() {
    let stage = Stage::new(Options { has_tls: false, token: None, ..Options::default() });
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let text = "apiVersion: v1\nkind: Config\nclusters: [{name: a, cluster: {server: 'http://127.0.0.1:9'}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\ncurrent-context: a\n";
    fs::write(&kubeconfig, text).unwrap();
    for (kubeconfig, master) in [
        (Some(kubeconfig), stage.server.url()),
        (None, stage.server.url()),
        (None, stage.server.url().trim_start_matches("http://").to_owned()),
    ] {
        let connection = informer::api::Connection { kubeconfig, master: Some(master), ..Default::default() };
        let consumer = Consumer::start(connection, hurried());
        consumer.until_synced();
        consumer.until_known(&ALL);
    }
}

fn certified() -> Stage {
    Stage::new(Options { wants_certificate: true, token: None, ..Options::default() })
}

/// Changes the kubeconfig of a stage, and listens with it.
fn listened_after(stage: &Stage, change: impl Fn(String) -> String) -> Consumer {
    let kubeconfig = stage.server.write_kubeconfig(stage.folder.path()).unwrap();
    let text = fs::read_to_string(&kubeconfig).unwrap();
    fs::write(&kubeconfig, change(text)).unwrap();
    let consumer = Consumer::start(connection(&kubeconfig), hurried());
    consumer.until_synced();
    consumer.until_known(&ALL);
    consumer
}

#[test]
fn empty_options_are_not_set_and_who_trusts_everybody_needs_no_authority() {
    let stage = Stage::new(Options::default());
    let authority = format!("certificate-authority: {}", stage.folder.path().join("ca.crt").display());
    let empty =
        "certificate-authority: ''\n    certificate-authority-data: ''\n    insecure-skip-tls-verify: true";
    listened_after(&stage, |text| {
        assert!(text.contains(&authority) && text.contains("  user:\n"), "{text}");
        let text = text.replace(&authority, empty);
        text.replace("  user:\n", "  user:\n    client-certificate: ''\n    client-key: ''\n")
    });
}

#[test]
fn the_token_of_a_file_counts_more_than_one_that_is_given() {
    let stage = Stage::new(Options::default());
    let consumer =
        listened_after(&stage, |text| text.replace("  user:\n", "  user:\n    token: of-nobody\n"));
    assert!(consumer.told().failures.is_empty(), "{:#?}", consumer.told());
}

#[test]
fn a_client_certificate_lets_in_and_rotates() {
    let stage = certified();
    let consumer = stage.listened();
    // The authority and everything it signed change, in the same files.
    stage.server.change_certificates().unwrap();
    stage.server.cut_connections();
    stage.server.set(service("web", 7)).unwrap();
    consumer.until("nobody is let in", |told| !told.failures.is_empty());
    stage.server.write_kubeconfig(stage.folder.path()).unwrap();
    let told = consumer.until("the new one is shown", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert!(told.deletions().is_empty(), "{told:#?}");
    assert!(stage.server.seen().iter().all(|seen| seen.authorization.is_empty()));
}

#[test]
fn credentials_may_be_in_the_kubeconfig_itself() {
    let stage = certified();
    let kubeconfig = stage.server.write_kubeconfig(stage.folder.path()).unwrap();
    let mut text = fs::read_to_string(&kubeconfig).unwrap();
    for (field, file) in [
        ("certificate-authority", "ca.crt"),
        ("client-certificate", "client.crt"),
        ("client-key", "client.key"),
    ] {
        let path = stage.folder.path().join(file);
        let data = BASE64.encode(&fs::read(&path).unwrap());
        let line = format!("{field}: {}", path.display());
        assert!(text.contains(&line), "{text}");
        text = text.replace(&line, &format!("{field}-data: {data}"));
        fs::remove_file(&path).unwrap();
    }
    fs::write(&kubeconfig, text).unwrap();
    let consumer = Consumer::start(connection(&kubeconfig), hurried());
    consumer.until_synced();
    consumer.until_known(&ALL);
}

#[test]
fn without_a_certificate_nobody_is_let_in() {
    let stage = certified();
    let kubeconfig = stage.server.write_kubeconfig(stage.folder.path()).unwrap();
    let text = fs::read_to_string(&kubeconfig).unwrap();
    let text: Vec<_> = text.lines().filter(|line| !line.contains("client-")).collect();
    fs::write(&kubeconfig, text.join("\n").replace("  user:\n", "  user: {}\n")).unwrap();
    let consumer = Consumer::start(connection(&kubeconfig), hurried());
    let told = consumer.until("it fails", |told| told.failures.len() > 3);
    assert!(told.changes.is_empty() && stage.server.seen().is_empty(), "{told:#?}");
}

#[test]
fn a_proxy_is_gone_through() {
    let stage = Stage::new(Options::default());
    let kubeconfig = stage.server.write_kubeconfig(stage.folder.path()).unwrap();
    let (url, tunnels) = proxy();
    let text = fs::read_to_string(&kubeconfig).unwrap();
    fs::write(&kubeconfig, text.replace("    server:", &format!("    proxy-url: {url}\n    server:")))
        .unwrap();
    let consumer = Consumer::start(connection(&kubeconfig), hurried());
    consumer.until_synced();
    let head = tunnels.recv().unwrap();
    assert!(
        head.starts_with(&format!("CONNECT {} ", stage.server.url().trim_start_matches("https://"))),
        "{head}"
    );
    // user:p@ss
    assert!(
        head.to_lowercase().contains("proxy-authorization: basic") && head.contains("dXNlcjpwQHNz"),
        "{head}"
    );
    assert!(stage.server.seen().iter().all(|seen| seen.is_http2), "with pings, through the tunnel");
}

#[tokio::test]
async fn what_the_operator_got_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let empty = folder.path().join("empty");
    fs::write(&empty, "apiVersion: v1\nkind: Config\n").unwrap();
    let broken = folder.path().join("broken");
    fs::write(&broken, "{").unwrap();
    for (path, expected) in [
        (&missing, format!("stat {}: no such file or directory", missing.display())),
        (&empty, format!("{} says nothing; unable to load in-cluster configuration", empty.display())),
        (&broken, format!("{}: failed to parse kubeconfig", broken.display())),
    ] {
        let connected = informer::api::Server::connect(connection(path), Timing::default(), |_| {}).await;
        let error = connected.err().unwrap().to_string();
        assert!(error.starts_with(&expected), "{error}");
    }
}
