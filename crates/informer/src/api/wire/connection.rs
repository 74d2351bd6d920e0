//! Turns what the operator said of the API server into an address, trust and credentials.
//!
//! Knows nothing of requests. Every file that counts is named, so that a change of it is noticed.

mod kubeconfig;

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hyper_util::client::proxy::matcher::Intercept;
use kube::config::AuthInfo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::proxy::{self, ProxyError};
use super::stamp::Stamp;

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
    #[error("{}: {reason}", path.display())]
    Kubeconfig {
        /// The kubeconfig.
        path: PathBuf,
        /// Which field is wrong, and why.
        reason: String,
    },
    /// The kubeconfig says nothing, and there is no Pod's environment in its place.
    #[error("{} says nothing; {instead}", path.display())]
    Empty {
        /// The kubeconfig.
        path: PathBuf,
        /// What comes of the Pod's environment.
        instead: Box<ConnectError>,
    },
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
    #[error("{0:?} is not the URL of an API server: {1}")]
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
    /// When one of these files changes, everything is to be read again.
    pub(super) stamps: Vec<Stamp>,
    /// What is not as it should be, and can still work.
    pub(super) doubts: Vec<String>,
}

impl Loaded {
    fn new(config: kube::Config, stamps: Vec<Stamp>) -> Self {
        Self { config, proxy: None, stamps, doubts: Vec::new() }
    }
}

/// Reads everything that counts at this moment.
pub(super) fn load(connection: &Connection) -> Result<Loaded, ConnectError> {
    let mut loaded = match (&connection.kubeconfig, &connection.master) {
        (None, None) => in_cluster()?,
        (None, Some(master)) => anonymous(master)?,
        (Some(path), master) => from_kubeconfig(path, master.as_deref())?,
    };
    let config = &mut loaded.config;
    // A try again is ours to decide on, and to tell of.
    config.default_retry = false;
    if let Ok(user_agent) = connection.user_agent.parse() {
        config.headers.push((http::header::USER_AGENT, user_agent));
    }
    if config.cluster_url.scheme_str() == Some("http") || config.accept_invalid_certs {
        // Else the roots of the system are looked for, which an image may lack.
        config.root_cert.get_or_insert_default();
    }
    if loaded.proxy.is_none() {
        match proxy::of_environment(|name| env::var(name).ok(), &loaded.config.cluster_url) {
            Ok(proxy) => loaded.proxy = proxy,
            Err(error @ ProxyError::NoUrl { .. }) => loaded.doubts.push(format!("{error}; none is used")),
            Err(error) => return Err(ConnectError::Setup(error.to_string())),
        }
    }
    Ok(loaded)
}

/// Nothing but an address.
fn anonymous(master: &str) -> Result<Loaded, ConnectError> {
    Ok(Loaded::new(kube::Config::new(url(master, "http")?), Vec::new()))
}

fn from_kubeconfig(path: &Path, master: Option<&str>) -> Result<Loaded, ConnectError> {
    fs::metadata(path).map_err(|source| ConnectError::Missing { path: path.to_owned(), source })?;
    let stamp = Stamp::of(path);
    if let Some(loaded) = kubeconfig::load(path, stamp.clone(), master)? {
        return Ok(loaded);
    }
    // An empty one is as good as none.
    let mut loaded = match master {
        Some(master) => anonymous(master)?,
        None => in_cluster()
            .map_err(|error| ConnectError::Empty { path: path.to_owned(), instead: Box::new(error) })?,
    };
    loaded.stamps.push(stamp);
    Ok(loaded)
}

/// Where the kubelet puts what a Pod needs.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn in_cluster() -> Result<Loaded, ConnectError> {
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let host = variable("KUBERNETES_SERVICE_HOST").ok_or(ConnectError::NotInCluster)?;
    let port = variable("KUBERNETES_SERVICE_PORT").ok_or(ConnectError::NotInCluster)?;
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let config = kube::Config::new(url(&format!("https://{host}:{port}"), "https")?);
    let [token, ca] = ["token", "ca.crt"].map(|name| Path::new(SERVICE_ACCOUNT).join(name));
    let mut loaded = Loaded::new(config, vec![Stamp::of(&token), Stamp::of(&ca)]);
    loaded.config.auth_info.token_file = Some(token.display().to_string());
    loaded.doubts.extend(read_token(&mut loaded.config.auth_info)?);
    match fs::read(&ca).map_err(|error| reason(&error)).and_then(|pem| certificates(&pem)) {
        Ok(certificates) => loaded.config.root_cert = Some(certificates),
        Err(error) => loaded
            .doubts
            .push(format!("{}: {error}; the authorities of the system are trusted instead", ca.display())),
    }
    Ok(loaded)
}

/// At least one certificate: a file without any would let nobody be trusted.
fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(pem).map(|one| one.map(|certificate| certificate.to_vec())).collect();
    let certificates = certificates.map_err(|error| error.to_string())?;
    if certificates.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(certificates) }
}

/// The token in the file, if one is named: it counts more than one that is given, which is for as long as
/// there is no file. Gives the doubt that comes of that.
fn read_token(user: &mut AuthInfo) -> Result<Option<String>, ConnectError> {
    let Some(path) = user.token_file.take() else { return Ok(None) };
    match token_in(PathBuf::from(path)) {
        Ok(token) => user.token = Some(token.into()),
        Err(error) if user.token.is_some() => return Ok(Some(format!("{error}; token is used instead"))),
        Err(error) => return Err(error),
    }
    Ok(None)
}

/// A token ends before blanks and line ends, which editors add.
fn token_in(path: PathBuf) -> Result<String, ConnectError> {
    let token = fs::read_to_string(&path).and_then(|text| {
        let token = text.trim();
        if token.is_empty() {
            return Err(io::Error::other("holds no token"));
        }
        fits_header(token).map_err(|error| io::Error::other(format!("holds a token {error}")))?;
        Ok(token.to_owned())
    });
    token.map_err(|source| ConnectError::Unreadable { path, source })
}

/// Whether the token can be sent: to make a header of another one ends the process. What is wrong goes
/// after the word "token", and does not tell it.
pub(super) fn fits_header(token: &str) -> Result<(), &'static str> {
    let fits = token.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if fits { Ok(()) } else { Err("that no header can carry: not all of it is printable ASCII") }
}

fn url(text: &str, scheme: &str) -> Result<http::Uri, ConnectError> {
    let complete = if text.contains("://") { text.to_owned() } else { format!("{scheme}://{text}") };
    let wrong = |reason: String| ConnectError::Url(text.to_owned(), reason);
    let url: http::Uri = complete.parse().map_err(|error: http::uri::InvalidUri| wrong(error.to_string()))?;
    match url.scheme_str() {
        Some("http" | "https") => Ok(url),
        _ => Err(wrong("its scheme is neither http nor https".to_owned())),
    }
}
