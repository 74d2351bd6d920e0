//! Turns a kubeconfig into address, trust and credentials, reading it as client-go does.
//!
//! Knows nothing of Pods and of environments. An empty text is an option that is not set.

use std::fs;
use std::path::Path;

use kube::config::{AuthInfo, Cluster, ExecAuthCluster, Kubeconfig, KubeconfigError};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ConnectError, Loaded, certificates, fits_header, read_token, reason, url};
use crate::api::wire::proxy;
use crate::api::wire::stamp::Stamp;

mod identity;
mod provider;
mod text;

#[cfg(test)]
mod tests;

/// What the current context says, with `master` in the place of its server; none if nothing is said at all.
pub(super) fn load(path: &Path, stamp: Stamp, master: Option<&str>) -> Result<Option<Loaded>, ConnectError> {
    let wrong = |reason: String| ConnectError::Kubeconfig { path: path.to_owned(), reason };
    let kubeconfig = read(path)?;
    if is_empty(&kubeconfig) {
        return Ok(None);
    }
    let (mut cluster, mut user) = current(kubeconfig).map_err(wrong)?;
    if let Some(folder) = path.parent() {
        complete(folder, &mut cluster, &mut user);
    }
    let named =
        [&cluster.certificate_authority, &user.client_certificate, &user.client_key, &user.token_file];
    let stamps = std::iter::once(stamp).chain(named.into_iter().flatten().map(Stamp::of)).collect();
    let authorities = ExecAuthCluster::try_from(&cluster).map_err(|error| wrong(error.to_string()))?;
    if let Some(exec) = user.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        exec.cluster = Some(authorities.clone());
    }
    let doubt = read_token(&mut user)?;
    check(&user).map_err(wrong)?;
    let mut config = kube::Config::new(server(&cluster, master, wrong)?);
    config.auth_info = user;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or_default();
    config.tls_server_name = cluster.tls_server_name;
    let roots = authorities.certificate_authority_data.map(|pem| certificates(&pem)).transpose();
    let source = match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
        (None, Some(file)) => format!("certificate-authority {file}"),
        _ => "certificate-authority-data".to_owned(),
    };
    config.root_cert = roots.map_err(|error| wrong(format!("{source}: {error}")))?;
    let through = |proxy: String| proxy::through("proxy-url", &proxy, &config.cluster_url);
    let proxy = cluster.proxy_url.map(through).transpose();
    let proxy = proxy.map_err(|error| ConnectError::Setup(error.to_string()))?;
    Ok(Some(Loaded { proxy, doubts: doubt.into_iter().collect(), ..Loaded::new(config, stamps) }))
}

fn read(path: &Path) -> Result<Kubeconfig, ConnectError> {
    let bytes =
        fs::read(path).map_err(|source| ConnectError::Unreadable { path: path.to_owned(), source })?;
    let text = text::decode(&bytes).map_err(str::to_owned);
    let kubeconfig = text.and_then(|text| {
        Kubeconfig::from_yaml(&text).map_err(|error| {
            // The lines around it may hold a token.
            if let KubeconfigError::Parse(error) = error {
                return format!("failed to parse kubeconfig YAML: {}", error.without_snippet());
            }
            error.to_string()
        })
    });
    kubeconfig.map_err(|reason| ConnectError::Kubeconfig { path: path.to_owned(), reason })
}

/// Files that are named, and plugins that are not looked for in `PATH`, lie relative to the kubeconfig.
fn complete(folder: &Path, cluster: &mut Cluster, user: &mut AuthInfo) {
    let command = user.exec.as_mut().and_then(|exec| exec.command.as_mut());
    let files = [
        cluster.certificate_authority.as_mut(),
        user.client_certificate.as_mut(),
        user.client_key.as_mut(),
        user.token_file.as_mut(),
        command.filter(|command| command.contains('/')),
    ];
    for file in files.into_iter().flatten() {
        if let Some(complete) = folder.join(&file).to_str() {
            *file = complete.to_owned();
        }
    }
}

/// Whether what the user has can be used; which field cannot, and why.
fn check(user: &AuthInfo) -> Result<(), String> {
    if let Some(token) = &user.token {
        fits_header(token.expose_secret()).map_err(|error| format!("token: is one {error}"))?;
    }
    if let Some(provider) = &user.auth_provider {
        provider::check(provider)?;
    }
    identity::check(user)
}

fn is_empty(kubeconfig: &Kubeconfig) -> bool {
    kubeconfig.clusters.is_empty()
        && kubeconfig.contexts.is_empty()
        && kubeconfig.auth_infos.is_empty()
        && kubeconfig.current_context.as_ref().is_none_or(String::is_empty)
}

/// The cluster and the user of the current context; that there is no such user is no error.
fn current(kubeconfig: Kubeconfig) -> Result<(Cluster, AuthInfo), String> {
    let name = kubeconfig.current_context.filter(|name| !name.is_empty());
    let name = name.ok_or("current-context: is not set")?;
    let context = kubeconfig.contexts.into_iter().find(|named| named.name == name);
    let context = context
        .and_then(|named| named.context)
        .ok_or_else(|| format!("current-context: contexts has no {name:?}"))?;
    let cluster = kubeconfig.clusters.into_iter().find(|named| named.name == context.cluster);
    let cluster = cluster
        .and_then(|named| named.cluster)
        .ok_or_else(|| format!("cluster of context {name:?}: clusters has no {:?}", context.cluster))?;
    let user = kubeconfig.auth_infos.into_iter().find(|named| Some(&named.name) == context.user.as_ref());
    let user = user.and_then(|named| named.auth_info).unwrap_or_default();
    let mut user: AuthInfo = without_empty(user)?;
    if user.username.is_some() {
        user.password.get_or_insert_with(|| String::new().into());
    }
    Ok((without_empty(cluster)?, user))
}

/// Without options that are empty.
fn without_empty<T: Serialize + DeserializeOwned>(options: T) -> Result<T, String> {
    let broken = |error: serde_json::Error| error.to_string();
    let mut options = serde_json::to_value(options).map_err(broken)?;
    if let Some(fields) = options.as_object_mut() {
        fields.retain(|_, value| value.as_str().is_none_or(|text| !text.is_empty()));
    }
    serde_json::from_value(options).map_err(broken)
}

/// Without a scheme it is `https` where TLS is spoken of.
fn server(
    cluster: &Cluster,
    master: Option<&str>,
    wrong: impl Fn(String) -> ConnectError,
) -> Result<http::Uri, ConnectError> {
    let has_tls = cluster.certificate_authority.is_some()
        || cluster.certificate_authority_data.is_some()
        || cluster.insecure_skip_tls_verify.unwrap_or_default();
    let scheme = if has_tls { "https" } else { "http" };
    match (master, &cluster.server) {
        (Some(master), _) => url(master, scheme),
        (None, Some(server)) => url(server, scheme).map_err(|error| wrong(format!("server: {error}"))),
        (None, None) => Err(wrong("server: is not set".to_owned())),
    }
}
