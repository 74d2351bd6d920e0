//! Turns an address, trust and credentials into a client that notices dead connections.
//!
//! HTTP/2 with pings where there is TLS, as client-go has it. Knows nothing of what is asked.

use http::Uri;
use hyper::rt::{Read, Write};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Builder;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use rustls::pki_types::ServerName;
use tower::{BoxError, Service, ServiceBuilder};

use super::connection::{ConnectError, Loaded};
use super::timing::{Timing, Versions};

/// What one stream may send before it is read, in bytes: a list over a long way should not crawl.
const STREAM_WINDOW: u32 = 2 << 20;
/// The same for all streams of a connection.
const CONNECTION_WINDOW: u32 = 8 << 20;

/// A client as `loaded` says.
pub(super) fn client(loaded: &Loaded, timing: &Timing) -> Result<Client, ConnectError> {
    let config = &loaded.config;
    let tcp = tcp(timing);
    let Some(proxy) = &loaded.proxy else { return over(tcp, config, timing) };
    match proxy.uri().scheme_str() {
        Some("http") => over(tunnel(proxy, tcp), config, timing),
        Some("https") => {
            let tls = config.rustls_https_connector_with_connector(tcp).map_err(setup)?;
            over(tunnel(proxy, tls), config, timing)
        }
        Some("socks5" | "socks5h") => {
            let socks = SocksV5::new(proxy.uri().clone(), tcp);
            match proxy.raw_auth() {
                Some((user, password)) => {
                    over(socks.with_auth(user.to_owned(), password.to_owned()), config, timing)
                }
                None => over(socks, config, timing),
            }
        }
        other => Err(ConnectError::Setup(format!("proxies of scheme {other:?} are not supported"))),
    }
}

fn tunnel<C>(proxy: &Intercept, connector: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.uri().clone(), connector);
    match proxy.basic_auth() {
        Some(auth) => tunnel.with_auth(auth.clone()),
        None => tunnel,
    }
}

fn tcp(timing: &Timing) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(timing.connect));
    tcp.set_keepalive(Some(timing.keepalive()));
    tcp.set_keepalive_interval(Some(timing.ping_timeout));
    tcp.set_keepalive_retries(Some(3));
    tcp.set_tcp_user_timeout(Some(timing.keepalive() + timing.ping_timeout));
    tcp
}

fn over<C>(connector: C, config: &Config, timing: &Timing) -> Result<Client, ConnectError>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Connection + Read + Write + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    let pings = (!timing.ping_interval.is_zero()).then_some(timing.ping_interval);
    let http = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .http2_keep_alive_interval(pings)
        .http2_keep_alive_timeout(timing.ping_timeout)
        .http2_keep_alive_while_idle(true)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .build::<_, Body>(tls(connector, config, timing.versions)?);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().map_err(setup)?)
        .layer(config.extra_headers_layer().map_err(setup)?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, "default"))
}

fn tls<C>(connector: C, config: &Config, versions: Versions) -> Result<HttpsConnector<C>, ConnectError> {
    let tls = config.rustls_client_config().map_err(setup)?;
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    let builder = match &config.tls_server_name {
        Some(name) => {
            let name = ServerName::try_from(name.clone())
                .map_err(|error| ConnectError::Setup(format!("tls-server-name {name:?}: {error}")))?;
            builder.with_server_name_resolver(FixedServerNameResolver::new(name))
        }
        None => builder,
    };
    Ok(match versions {
        Versions::All => builder.enable_all_versions().wrap_connector(connector),
        Versions::One => builder.enable_http1().wrap_connector(connector),
    })
}

fn setup(error: kube::Error) -> ConnectError {
    ConnectError::Setup(with_causes(&error))
}

/// The message of an error and of what caused it, without repeating itself.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}
