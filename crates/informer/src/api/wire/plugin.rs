//! Turns the credential plugin of a user into the credentials that it gives.
//!
//! Knows nothing of when to ask it again, but how long its answer is good for.

#![expect(clippy::disallowed_methods, reason = "an edge: it starts the plugin")]

use std::io::IsTerminal;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use data_encoding::BASE64;
use k8s_openapi::jiff::Timestamp;
use kube::config::{AuthInfo, ExecAuthCluster, ExecConfig, ExecInteractiveMode};
use serde::{Deserialize, Serialize};

use super::connection::{ConnectError, fits_header};

/// `ExecCredential` as the plugin is told it, in `KUBERNETES_EXEC_INFO`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    api_version: &'a str,
    kind: &'a str,
    spec: Spec<'a>,
}

#[derive(Serialize)]
struct Spec<'a> {
    interactive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a ExecAuthCluster>,
}

/// `ExecCredential` as the plugin answers.
#[derive(Deserialize)]
struct Answer {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<String>,
}

/// Puts what the plugin of `user` gives, if there is one, in its place: until then it is good. Whoever has a
/// token or a password needs no plugin.
pub(super) fn ask(user: &mut AuthInfo) -> Result<Option<SystemTime>, ConnectError> {
    let Some(exec) = user.exec.take() else { return Ok(None) };
    if user.token.is_some() || user.username.is_some() {
        return Ok(None);
    }
    let command = exec.command.clone().unwrap_or_default();
    let wrong = |text: String| ConnectError::Setup(format!("credential plugin {command}: {text}"));
    let answer = run(&exec).map_err(&wrong)?;
    let answer: Answer = serde_yaml::from_slice(&answer).map_err(|error| wrong(error.to_string()))?;
    let status = answer.status.ok_or_else(|| wrong("its answer has no status".to_owned()))?;
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let token = filled(status.token);
    let pair = filled(status.client_certificate_data).zip(filled(status.client_key_data));
    if token.is_none() && pair.is_none() {
        return Err(wrong("its answer has neither a token nor a certificate with its key".to_owned()));
    }
    token
        .as_deref()
        .map_or(Ok(()), fits_header)
        .map_err(|error| wrong(format!("its answer has a token {error}")))?;
    user.token = token.map(Into::into);
    if let Some((certificate, key)) = pair {
        user.client_certificate_data = Some(BASE64.encode(certificate.as_bytes()));
        user.client_key_data = Some(BASE64.encode(key.as_bytes()).into());
    }
    let expiration = filled(status.expiration_timestamp).map(|time| time.parse::<Timestamp>()).transpose();
    let expiration = expiration.map_err(|error| wrong(format!("expirationTimestamp: {error}")))?;
    Ok(expiration.map(SystemTime::from))
}

/// What it says, once it has ended in good order. What it complains of goes where our own log goes.
fn run(exec: &ExecConfig) -> Result<Vec<u8>, String> {
    let program = exec.command.as_deref().ok_or("no command")?;
    let may_ask = exec.interactive_mode != Some(ExecInteractiveMode::Never);
    let interactive = may_ask && std::io::stdin().is_terminal();
    let spec = Spec { interactive, cluster: exec.cluster.as_ref() };
    let api_version = exec.api_version.as_deref().unwrap_or_default();
    let question = Question { api_version, kind: "ExecCredential", spec };
    let question = serde_json::to_string(&question).map_err(|error| error.to_string())?;
    let variables = exec.env.iter().flatten().filter_map(|pair| pair.get("name").zip(pair.get("value")));
    let output = Command::new(program)
        .args(exec.args.iter().flatten())
        .envs(variables)
        .env("KUBERNETES_EXEC_INFO", question)
        .stdin(if interactive { Stdio::inherit() } else { Stdio::null() })
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() { Ok(output.stdout) } else { Err(output.status.to_string()) }
}

#[cfg(test)]
mod tests {
    use kube::config::{AuthInfo, ExecConfig};

    use super::ask;

    #[test]
    fn a_token_that_no_header_can_carry_is_refused_and_not_told() {
        for token in [r"aa\nbb", r"aa\u0000bb", "aa\u{e9}bb"] {
            let answer = format!(r#"{{"status": {{"token": "{token}"}}}}"#);
            let args = Some(vec!["%s".to_owned(), answer]);
            let exec = ExecConfig { command: Some("printf".to_owned()), args, ..ExecConfig::default() };
            let mut user = AuthInfo { exec: Some(exec), ..AuthInfo::default() };
            let error = ask(&mut user).unwrap_err().to_string();
            assert_eq!(
                error,
                "credential plugin printf: its answer has a token that no header can carry: not all of it is printable ASCII"
            );
            assert!(user.token.is_none());
        }
    }
}
