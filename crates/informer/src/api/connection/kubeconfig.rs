//! Turns a kubeconfig into address, trust and credentials, reading it as client-go does.
//!
//! Knows nothing of Pods and of environments. An empty text is an option that is not set.

use std::path::Path;

use kube::config::{AuthInfo, Cluster, ExecAuthCluster, Kubeconfig, KubeconfigError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ConnectError, Loaded, certificates, read_token, url};
use crate::api::proxy;
use crate::api::stamp::Stamp;

#[cfg(test)]
mod tests;

/// What the current context says, with `master` in the place of its server; none if nothing is said at all.
pub(super) fn load(path: &Path, stamp: Stamp, master: Option<&str>) -> Result<Option<Loaded>, ConnectError> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    if is_empty(&kubeconfig) {
        return Ok(None);
    }
    let (cluster, mut user) = current(kubeconfig, path)?;
    let named =
        [&cluster.certificate_authority, &user.client_certificate, &user.client_key, &user.token_file];
    let stamps = std::iter::once(stamp).chain(named.into_iter().flatten().map(Stamp::of)).collect();
    let authorities = ExecAuthCluster::try_from(&cluster)?;
    if let Some(exec) = user.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        exec.cluster = Some(authorities.clone());
    }
    let doubt = read_token(&mut user)?;
    let mut config = kube::Config::new(server(&cluster, master)?);
    config.auth_info = user;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or_default();
    config.tls_server_name = cluster.tls_server_name;
    let roots = authorities.certificate_authority_data.map(|pem| certificates(&pem)).transpose();
    config.root_cert =
        roots.map_err(|error| ConnectError::Setup(format!("unable to load root certificates: {error}")))?;
    let through = |proxy: String| proxy::through("proxy-url", &proxy, &config.cluster_url);
    let proxy = cluster.proxy_url.map(through).transpose();
    let proxy = proxy.map_err(|error| ConnectError::Setup(error.to_string()))?;
    Ok(Some(Loaded { proxy, doubts: doubt.into_iter().collect(), ..Loaded::new(config, stamps) }))
}

fn is_empty(kubeconfig: &Kubeconfig) -> bool {
    kubeconfig.clusters.is_empty()
        && kubeconfig.contexts.is_empty()
        && kubeconfig.auth_infos.is_empty()
        && kubeconfig.current_context.as_ref().is_none_or(String::is_empty)
}

/// The cluster and the user of the current context; that there is no such user is no error.
fn current(kubeconfig: Kubeconfig, path: &Path) -> Result<(Cluster, AuthInfo), ConnectError> {
    let name = kubeconfig.current_context.ok_or(KubeconfigError::CurrentContextNotSet)?;
    let context = kubeconfig.contexts.into_iter().find(|named| named.name == name);
    let context = context.and_then(|named| named.context).ok_or(KubeconfigError::LoadContext(name))?;
    let cluster = kubeconfig.clusters.into_iter().find(|named| named.name == context.cluster);
    let cluster = cluster
        .and_then(|named| named.cluster)
        .ok_or(KubeconfigError::LoadClusterOfContext(context.cluster))?;
    let user = kubeconfig.auth_infos.into_iter().find(|named| Some(&named.name) == context.user.as_ref());
    let user = user.and_then(|named| named.auth_info).unwrap_or_default();
    // An empty path was taken for one relative to the folder.
    let folder = path.parent().map(|folder| folder.join("").display().to_string()).unwrap_or_default();
    let mut user: AuthInfo = without_empty(user, &folder)?;
    if user.username.is_some() {
        user.password.get_or_insert_with(|| String::new().into());
    }
    Ok((without_empty(cluster, &folder)?, user))
}

/// Without options that are empty, or this `folder`, which is no file.
fn without_empty<T: Serialize + DeserializeOwned>(options: T, folder: &str) -> Result<T, ConnectError> {
    let broken = |error: serde_json::Error| ConnectError::Setup(error.to_string());
    let mut options = serde_json::to_value(options).map_err(broken)?;
    if let Some(fields) = options.as_object_mut() {
        fields.retain(|_, value| value.as_str().is_none_or(|text| !text.is_empty() && text != folder));
    }
    serde_json::from_value(options).map_err(broken)
}

/// Without a scheme it is `https` where TLS is spoken of.
fn server(cluster: &Cluster, master: Option<&str>) -> Result<http::Uri, ConnectError> {
    let server = master.or(cluster.server.as_deref()).ok_or(KubeconfigError::MissingClusterUrl)?;
    let has_tls = cluster.certificate_authority.is_some()
        || cluster.certificate_authority_data.is_some()
        || cluster.insecure_skip_tls_verify.unwrap_or_default();
    url(server, if has_tls { "https" } else { "http" })
}
