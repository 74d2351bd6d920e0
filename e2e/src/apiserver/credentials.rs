//! What a client needs to find a server and to be let in: certificates, token, kubeconfig.
//!
//! Knows nothing of what is asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;

use super::certificate::{Certificates, Clients, Identity};
use super::{ApiServer, kubeconfig, lock};

/// What clients need to know of the certificates.
pub(super) struct Trust {
    ca_pem: String,
    client: Identity,
}

impl ApiServer {
    /// Makes a new authority and a new certificate for the connections to come.
    ///
    /// # Errors
    /// When none can be made.
    pub fn change_certificates(&self) -> Result<()> {
        let mut authority = lock(&self.authority);
        authority.1 += 1;
        let clients = if self.shared.options.wants_certificate { Clients::Certified } else { Clients::Any };
        let certificates = Certificates::new(self.address.ip(), authority.1, clients)?;
        authority.0 = Some(Trust { ca_pem: certificates.ca_pem, client: certificates.client });
        *lock(&self.tls) = Some(Arc::new(certificates.tls));
        Ok(())
    }

    /// The bearer token that is wanted from here on.
    pub fn change_token(&self, token: &str) {
        self.shared.state().token = Some(token.to_owned());
    }

    /// The certificate authority, if there is TLS.
    pub fn ca_pem(&self) -> Option<String> {
        lock(&self.authority).0.as_ref().map(|trust| trust.ca_pem.clone())
    }

    /// Writes `ca.crt`, `token`, `client.crt`, `client.key`, as far as they are wanted, and `kubeconfig` into
    /// `directory`; returns the path of the last.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write_kubeconfig(&self, directory: &Path) -> Result<PathBuf> {
        let token = self.shared.state().token.clone();
        let wants_certificate = self.shared.options.wants_certificate;
        let authority = lock(&self.authority);
        let identity = authority.0.as_ref().filter(|_| wants_certificate).map(|trust| &trust.client);
        let ca_pem = authority.0.as_ref().map(|trust| trust.ca_pem.as_str());
        kubeconfig::write(directory, &self.url(), ca_pem, token.as_deref(), identity)
    }
}
