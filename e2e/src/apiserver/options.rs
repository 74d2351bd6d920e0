//! How a server is, and how it is unless a test says otherwise.
//!
//! Knows nothing of what happens to it later.

use std::net::SocketAddr;
use std::time::Duration;

use super::rbac::Role;

/// How a server is.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 is any.
    pub listen: SocketAddr,
    /// Whether it has TLS.
    pub has_tls: bool,
    /// The bearer token it wants; none: it lets everybody in.
    pub token: Option<String>,
    /// Whether clients must show a certificate, besides the token if there is one.
    pub wants_certificate: bool,
    /// What clients may do.
    pub role: Role,
    /// resourceVersion at the start.
    pub version: u64,
    /// The longest page of a list.
    pub page: Option<usize>,
    /// Between two bookmarks.
    pub bookmarks: Duration,
    /// The longest watch, whatever the client asks for.
    pub longest_watch: Duration,
    /// Whether a watch ends when the client wants it to, as it should.
    pub ends_watches: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            has_tls: true,
            token: Some("e2e-token".to_owned()),
            wants_certificate: false,
            role: Role::node_proxier(),
            version: 1000,
            page: None,
            bookmarks: Duration::from_secs(60),
            longest_watch: Duration::from_secs(1800),
            ends_watches: true,
        }
    }
}
