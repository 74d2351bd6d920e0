//! Makes a certificate authority, and certificates of it for the server and for a client.
//!
//! Knows nothing of connections.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

/// Whether clients must show a certificate of the authority to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clients {
    Any,
    Certified,
}

/// A certificate and its key, as a kubeconfig names them.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) certificate_pem: String,
    pub(super) key_pem: String,
}

/// A certificate authority and what it has signed.
pub(super) struct Certificates {
    /// The authority, as a kubeconfig names it.
    pub(super) ca_pem: String,
    /// What a client can show.
    pub(super) client: Identity,
    /// What the server shows.
    pub(super) tls: rustls::ServerConfig,
}

impl Certificates {
    /// New ones, good for `address` and for the names of the API server in a cluster.
    pub(super) fn new(address: IpAddr, serial: u64, clients: Clients) -> Result<Self> {
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
        let tls = rustls::ServerConfig::builder();
        let tls = match clients {
            Clients::Any => tls.with_no_client_auth(),
            Clients::Certified => tls.with_client_cert_verifier(verifier(ca_certificate.der())?),
        };
        let mut tls = tls.with_single_cert(chain, key).context("set up TLS")?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { ca_pem: ca_certificate.pem(), client: client(&issuer)?, tls })
    }
}

/// The daemon as kubeadm's certificates would name it.
fn client(issuer: &Issuer<'_, KeyPair>) -> Result<Identity> {
    let key = KeyPair::generate().context("make a key")?;
    let mut client = CertificateParams::default();
    client.distinguished_name.push(DnType::CommonName, "system:kube-proxy");
    client.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    let certificate = client.signed_by(&key, issuer).context("sign the client")?;
    Ok(Identity { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
}

fn verifier(authority: &CertificateDer<'static>) -> Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).context("trust the authority")?;
    WebPkiClientVerifier::builder(Arc::new(roots)).build().context("set up the check of clients")
}
