//! Turns what the operator said into a client with the credentials of this moment.
//!
//! Knows when they are out of date, and nothing of requests.

#![expect(clippy::disallowed_methods, reason = "an edge: credentials expire")]

use std::time::SystemTime;

use kube::Client;
use tokio::task::JoinHandle;

use super::connection::{self, ConnectError, Connection, Loaded};
use super::plugin;
use super::stamp::Stamp;
use super::timing::Timing;
use super::transport;

/// What has to be made anew when credentials change.
pub(super) struct Live {
    pub(super) client: Client,
    /// `name:port` of the server.
    pub(super) host: String,
    stamps: Vec<Stamp>,
    /// Until when the credentials are good, if they say so.
    expires: Option<SystemTime>,
    pub(super) doubts: Vec<String>,
    /// The server did not accept the credentials, or there are none.
    pub(super) is_refused: bool,
    /// The one who takes over, as soon as its credentials are complete. It is waited for however long that
    /// takes: a plugin that hangs is not started again and again.
    pub(super) next: Option<Next>,
}

impl Live {
    fn new(connection: &Connection, timing: &Timing) -> Result<Self, ConnectError> {
        let mut loaded = connection::load(connection)?;
        let expires = plugin::ask(&mut loaded.config.auth_info)?;
        let client = transport::client(&loaded, timing)?;
        let url = &loaded.config.cluster_url;
        let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("http") { 80 } else { 443 });
        let host = format!("{}:{port}", url.host().unwrap_or_default());
        let Loaded { stamps, doubts, .. } = loaded;
        Ok(Self { client, host, stamps, expires, doubts, is_refused: false, next: None })
    }

    pub(super) fn is_stale(&self) -> bool {
        self.is_refused
            || self.expires.is_some_and(|expires| expires <= SystemTime::now())
            || self.stamps.iter().any(Stamp::is_outdated)
    }
}

/// A client in the making.
pub(super) struct Next(JoinHandle<Result<Live, ConnectError>>);

impl Next {
    /// Off the runtime's thread, as it reads files and runs credential plugins.
    pub(super) fn start(connection: Connection, timing: Timing) -> Self {
        Self(tokio::task::spawn_blocking(move || Live::new(&connection, &timing)))
    }

    /// Waits for it. Who gives up may wait again, until it is there.
    pub(super) async fn live(&mut self) -> Result<Live, ConnectError> {
        (&mut self.0).await.map_err(|error| ConnectError::Setup(error.to_string()))?
    }
}
