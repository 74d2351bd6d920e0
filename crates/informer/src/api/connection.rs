//! Turns what the operator said of the API server into an address, trust and credentials.
//!
//! Knows nothing of requests. Every file that counts is named, so that a change of it is noticed.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use kube::config::{AuthInfo, Cluster, KubeConfigOptions, Kubeconfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Where the API server is and who asks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connection {
    /// `clientConnection.kubeconfig`, `--kubeconfig`. Without it and `master`: the service account
    /// of the Pod.
    pub kubeconfig: Option<PathBuf>,
    /// `--master`: takes the place of the server's URL.
    pub master: Option<String>,
    /// `clientConnection.qps`: requests a second that are not watches; 0 and less is no limit.
    pub qps: f64,
    /// `clientConnection.burst`: requests that are free of that limit after a pause.
    pub burst: u32,
    /// The header `User-Agent`.
    pub user_agent: String,
}

/// Why there is nobody to ask; nothing but the operator can help.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be looked at.
    #[error("stat {}: {}", path.display(), reason(source))]
    Missing {
        /// The kubeconfig.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kubeconfig does not say what is needed, or files that it names cannot be used.
    #[error("{0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// A file of credentials cannot be used.
    #[error("{}: {}", path.display(), reason(source))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No request would ever have its turn.
    #[error("clientConnection.burst (--kube-api-burst) must be greater than 0 unless qps is 0 or less")]
    NoBurst,
    /// The environment of the Pod is not there.
    #[error(
        "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined"
    )]
    NotInCluster,
    /// An address is no URL.
    #[error("{0:?} is not a URL: {1}")]
    Url(String, String),
    /// TLS, the proxy or the credentials cannot be set up.
    #[error("{0}")]
    Setup(String),
}

/// As Go says it: without the number, in lower case.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let (first, rest) = text.split_at_checked(1).unwrap_or_default();
    first.to_lowercase() + rest
}

/// A connection with all its files read.
pub(super) struct Loaded {
    pub(super) config: kube::Config,
    /// Through which to go.
    pub(super) proxy: Option<Intercept>,
    /// When one of these changes, everything is to be read again.
    pub(super) files: Vec<PathBuf>,
    /// What is not as it should be, and can still work.
    pub(super) doubt: Option<String>,
}

/// Reads everything that counts at this moment.
pub(super) async fn load(connection: &Connection) -> Result<Loaded, ConnectError> {
    let mut loaded = match (&connection.kubeconfig, &connection.master) {
        (None, None) => in_cluster()?,
        (None, Some(master)) => anonymous(master)?,
        (Some(path), master) => from_kubeconfig(path, master.as_deref()).await?,
    };
    let config = &mut loaded.config;
    // A try again is ours to decide on, and to tell of.
    config.default_retry = false;
    if let Ok(user_agent) = connection.user_agent.parse() {
        config.headers.push((http::header::USER_AGENT, user_agent));
    }
    if config.cluster_url.scheme_str() == Some("http") {
        // Else the roots of the system are looked for, which an image may lack.
        config.root_cert.get_or_insert_default();
    }
    Ok(loaded)
}

/// Nothing but an address.
fn anonymous(master: &str) -> Result<Loaded, ConnectError> {
    let config = kube::Config::new(url(master, "http")?);
    let proxy = proxy_of_environment(&config.cluster_url);
    Ok(Loaded { config, proxy, files: Vec::new(), doubt: None })
}

async fn from_kubeconfig(path: &Path, master: Option<&str>) -> Result<Loaded, ConnectError> {
    fs::metadata(path).map_err(|source| ConnectError::Missing { path: path.to_owned(), source })?;
    let mut kubeconfig = Kubeconfig::read_from(path)?;
    let is_empty = kubeconfig.clusters.is_empty()
        && kubeconfig.contexts.is_empty()
        && kubeconfig.auth_infos.is_empty()
        && kubeconfig.current_context.as_ref().is_none_or(String::is_empty);
    let kubeconfig_file = path.to_owned();
    if is_empty {
        let mut loaded = match master {
            Some(master) => anonymous(master)?,
            None => in_cluster()?,
        };
        loaded.files.push(kubeconfig_file);
        return Ok(loaded);
    }
    if let Some(master) = master {
        for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
            let has_tls = cluster.certificate_authority.is_some()
                || cluster.certificate_authority_data.is_some()
                || cluster.insecure_skip_tls_verify.unwrap_or_default();
            let scheme = if has_tls { "https" } else { "http" };
            cluster.server = Some(url(master, scheme)?.to_string());
        }
    }
    let (cluster, user) = current(&kubeconfig);
    let mut files = vec![kubeconfig_file];
    let named =
        [&cluster.certificate_authority, &user.client_certificate, &user.client_key, &user.token_file];
    files.extend(named.into_iter().flatten().filter(|path| !path.is_empty()).map(PathBuf::from));
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let proxy = match cluster.proxy_url.filter(|url| !url.is_empty()) {
        Some(proxy) => {
            url(&proxy, "http")?;
            Matcher::builder().all(proxy).build().intercept(&config.cluster_url)
        }
        None => proxy_of_environment(&config.cluster_url),
    };
    read_token(&mut config.auth_info)?;
    Ok(Loaded { config, proxy, files, doubt: None })
}

/// The cluster and the user of the current context, as far as they are there.
fn current(kubeconfig: &Kubeconfig) -> (Cluster, AuthInfo) {
    let name = kubeconfig.current_context.as_deref().unwrap_or_default();
    let context = kubeconfig.contexts.iter().find(|named| named.name == name);
    let context = context.and_then(|named| named.context.clone()).unwrap_or_default();
    let cluster = kubeconfig.clusters.iter().find(|named| named.name == context.cluster);
    let user = kubeconfig.auth_infos.iter().find(|named| Some(&named.name) == context.user.as_ref());
    (
        cluster.and_then(|named| named.cluster.clone()).unwrap_or_default(),
        user.and_then(|named| named.auth_info.clone()).unwrap_or_default(),
    )
}

/// Where the kubelet puts what a Pod needs.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn in_cluster() -> Result<Loaded, ConnectError> {
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let host = variable("KUBERNETES_SERVICE_HOST").ok_or(ConnectError::NotInCluster)?;
    let port = variable("KUBERNETES_SERVICE_PORT").ok_or(ConnectError::NotInCluster)?;
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let mut config = kube::Config::new(url(&format!("https://{host}:{port}"), "https")?);
    let [token, ca] = ["token", "ca.crt"].map(|name| Path::new(SERVICE_ACCOUNT).join(name));
    config.auth_info.token_file = Some(token.display().to_string());
    read_token(&mut config.auth_info)?;
    let certificates = certificates(&ca);
    let doubt = certificates
        .as_ref()
        .err()
        .map(|error| format!("{}: {error}; the authorities of the system are trusted instead", ca.display()));
    config.root_cert = certificates.ok();
    let proxy = proxy_of_environment(&config.cluster_url);
    Ok(Loaded { config, proxy, files: vec![token, ca], doubt })
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_file_iter(path)?.map(|one| one.map(|certificate| certificate.to_vec())).collect()
}

/// The token in the file, if one is named and none is given: a token ends before blanks and line
/// ends, which editors add.
fn read_token(user: &mut AuthInfo) -> Result<(), ConnectError> {
    let Some(path) = user.token_file.take().filter(|path| user.token.is_none() && !path.is_empty()) else {
        return Ok(());
    };
    let path = PathBuf::from(path);
    let token = fs::read_to_string(&path)
        .map_err(|source| ConnectError::Unreadable { path: path.clone(), source })?;
    if token.trim().is_empty() {
        let source = io::Error::other("holds no token");
        return Err(ConnectError::Unreadable { path, source });
    }
    user.token = Some(token.trim().to_owned().into());
    Ok(())
}

fn url(text: &str, scheme: &str) -> Result<http::Uri, ConnectError> {
    let complete = if text.contains("://") { text.to_owned() } else { format!("{scheme}://{text}") };
    complete
        .parse()
        .map_err(|error: http::uri::InvalidUri| ConnectError::Url(text.to_owned(), error.to_string()))
}

/// `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`; this machine itself needs none.
fn proxy_of_environment(server: &http::Uri) -> Option<Intercept> {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host.parse().map_or(host == "localhost", |ip: std::net::IpAddr| ip.is_loopback());
    if is_loopback { None } else { Matcher::from_env().intercept(server) }
}
