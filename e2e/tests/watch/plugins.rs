//! Programs that are asked for credentials.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use e2e::apiserver::Options;
use e2e::wait;
use informer::api::{Failure, Timing};

use crate::consumer::{ALL, Consumer, SOON, Stage, Told, connection, hurried};
use crate::objects::service;

/// A stage whose kubeconfig names a plugin in the place of a token.
struct Asked {
    stage: Stage,
    kubeconfig: PathBuf,
}

impl Asked {
    /// `status` is shell for what stands in the braces of the answer's `status`, of which `$calls` is how
    /// often the plugin has been called before. It hangs as long as there is a file `hang` beside it.
    fn new(status: &str) -> Self {
        Self::with(Options::default(), status)
    }

    fn with(options: Options, status: &str) -> Self {
        let stage = Stage::new(options);
        let kubeconfig = stage.server.write_kubeconfig(stage.folder.path()).unwrap();
        let script = format!(
            r#"cd "${{0%/*}}" || exit 1
calls=$(cat calls 2>/dev/null | wc -l)
echo "$KUBERNETES_EXEC_INFO" >>calls
for _ in $(seq 120); do test -e hang && touch hanging && sleep 1; done
{status}
printf '%s\n' "{{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \"status\": {{$status}}}}"
"#
        );
        let plugin = stage.folder.path().join("plugin.sh");
        fs::write(&plugin, script).unwrap();
        // A program that was just written may be busy still, in children of other tests.
        symlink("/bin/sh", stage.folder.path().join("shell")).unwrap();
        let exec = format!(
            "exec: {{apiVersion: client.authentication.k8s.io/v1, command: ./shell, args: ['{}'], interactiveMode: Never}}",
            plugin.display()
        );
        let text = fs::read_to_string(&kubeconfig).unwrap();
        let (before, rest) = text.split_once("  user:\n").unwrap();
        let (_, after) = rest.split_once("contexts:\n").unwrap();
        fs::write(&kubeconfig, format!("{before}  user:\n    {exec}\ncontexts:\n{after}")).unwrap();
        Self { stage, kubeconfig }
    }

    fn listened(&self, timing: Timing) -> Consumer {
        let consumer = Consumer::start(connection(&self.kubeconfig), timing);
        consumer.until_synced();
        consumer.until_known(&ALL);
        consumer
    }

    /// What the plugin was told, each time it was called.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.stage.folder.path().join("calls")).unwrap();
        calls.lines().map(str::to_owned).collect()
    }

    fn hang(&self) -> PathBuf {
        self.stage.folder.path().join("hang")
    }
}

#[test]
fn a_credential_plugin_is_asked_for_the_token() {
    let asked = Asked::new(r#"status='"token": "e2e-token"'"#);
    let _consumer = asked.listened(hurried());
    asked.stage.until_watched();
    let calls = asked.calls();
    let expected = r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":false}}"#;
    assert_eq!(calls, [expected], "once for all requests");
}

#[test]
fn a_credential_plugin_is_asked_for_the_certificate() {
    let options = Options { wants_certificate: true, token: None, ..Options::default() };
    let asked = Asked::with(
        options,
        r#"pem() { awk '{printf "%s\\n", $0}' "$1"; }
status="\"clientCertificateData\": \"$(pem client.crt)\", \"clientKeyData\": \"$(pem client.key)\"""#,
    );
    asked.listened(hurried());
}

/// The first answer is good for a second, the others say nothing of an end.
#[test]
fn a_credential_plugin_may_change_the_form_of_its_answer() {
    let asked = Asked::new(
        r#"status='"token": "e2e-token"'
test "$calls" -gt 0 || status="$status, \"expirationTimestamp\": \"$(date -u -d '+1 second' +%FT%TZ)\"""#,
    );
    let consumer = asked.listened(hurried());
    let again = || {
        asked.stage.server.cut_connections();
        ensure!(asked.calls().len() > 1, "not asked again");
        Ok(())
    };
    wait::until(SOON, again).unwrap();
    asked.stage.server.cut_connections();
    asked.stage.server.set(service("web", 7)).unwrap();
    let told = consumer.until("the watch goes on", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert!(told.deletions().is_empty(), "{told:#?}");
    assert!(told.unreadable.is_empty(), "{told:#?}");
}

#[test]
fn a_token_that_is_refused_is_asked_for_anew() {
    let asked = Asked::new(r#"status='"token": "e2e-token"'; test -e second && status='"token": "second"'"#);
    let consumer = asked.listened(hurried());
    fs::write(asked.stage.folder.path().join("second"), "").unwrap();
    asked.stage.server.change_token("second");
    asked.stage.server.cut_connections();
    asked.stage.server.set(service("web", 7)).unwrap();
    consumer.until("the watch goes on", |told| told.known["Service demo/web"] == "10.0.0.7");
}

/// Each answer is too old at once, so that the plugin is asked before each request.
#[test]
fn a_credential_plugin_that_hangs_is_started_once() {
    let asked = Asked::new(r#"status='"token": "e2e-token", "expirationTimestamp": "2020-01-01T00:00:00Z"'"#);
    let consumer = asked.listened(Timing { answer: Duration::from_secs(2), ..hurried() });
    fs::write(asked.hang(), "").unwrap();
    let cut = || {
        asked.stage.server.cut_connections();
        ensure!(asked.stage.folder.path().join("hanging").exists(), "nobody hangs");
        Ok(())
    };
    wait::until(SOON, cut).unwrap();
    let calls = asked.calls().len();
    let silent =
        |told: &Told| told.failures.iter().filter(|failure| matches!(failure, Failure::Silent(_))).count();
    let before = silent(&consumer.told());
    consumer.until("requests give up", |told| silent(told) >= before + 6);
    assert_eq!(asked.calls().len(), calls, "nobody else was started");
    fs::remove_file(asked.hang()).unwrap();
    asked.stage.server.set(service("web", 7)).unwrap();
    let told = consumer.until("the watch goes on", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert!(told.deletions().is_empty(), "{told:#?}");
}
