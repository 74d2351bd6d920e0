//! Makes a certificate authority and a server certificate of it.
//!
//! Knows nothing of connections.

use std::net::IpAddr;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate authority and a certificate for the server.
pub(super) struct Certificates {
    /// The authority, as a kubeconfig names it.
    pub(super) ca_pem: String,
    /// What the server shows.
    pub(super) tls: rustls::ServerConfig,
}

impl Certificates {
    /// New ones, good for `address` and for the names of the API server in a cluster.
    pub(super) fn new(address: IpAddr, serial: u64) -> Result<Self> {
        let ca_key = KeyPair::generate().context("make a key")?;
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, format!("e2e authority {serial}"));
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_certificate = ca.self_signed(&ca_key).context("sign the authority")?;
        let issuer = Issuer::new(ca, ca_key);

        let key = KeyPair::generate().context("make a key")?;
        let names = ["kubernetes", "kubernetes.default.svc", "localhost"].map(str::to_owned);
        let mut server = CertificateParams::new(names).context("name the server")?;
        server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        server.subject_alt_names.extend([address, IpAddr::from([127, 0, 0, 1])].map(SanType::IpAddress));
        let certificate = server.signed_by(&key, &issuer).context("sign the server")?;

        let chain = vec![certificate.der().clone()];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut tls = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .context("set up TLS")?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { ca_pem: ca_certificate.pem(), tls })
    }
}
