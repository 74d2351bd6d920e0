//! Turns what is said of proxies into the one to go through to a server, by the rules of Go.
//!
//! Knows nothing of environments, and nothing of how to go through a proxy. International names are
//! compared as they are written.

use std::net::IpAddr;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use ipnet::IpNet;

#[cfg(test)]
mod tests;

/// Why what is said of a proxy cannot be used. Passwords are left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProxyError {
    /// Go takes such a variable for one that is not set.
    #[error("{name} {value:?} is not the URL of a proxy")]
    NoUrl { name: String, value: String },
    #[error("{name} {value:?}: a proxy is http, https, socks5 or socks5h")]
    Scheme { name: String, value: String },
    #[error(
        "{name} is not to be trusted where REQUEST_METHOD is set, as in CGI: the other side may have set it"
    )]
    Cgi { name: String },
}

/// The proxy that the environment names for `server`: `HTTPS_PROXY` or `HTTP_PROXY` by its scheme, unless
/// `NO_PROXY` says otherwise. Each counts in lower case too, if it is empty in upper case.
pub(super) fn of_environment(
    variable: impl Fn(&str) -> Option<String>,
    server: &Uri,
) -> Result<Option<Intercept>, ProxyError> {
    let filled = |name: &str| variable(name).filter(|value| !value.is_empty());
    let either = |name: &str| {
        let names = [name.to_owned(), name.to_lowercase()];
        names.into_iter().find_map(|name| filled(&name).map(|value| (name, value)))
    };
    let is_https = server.scheme_str() == Some("https");
    let Some((name, value)) = either(if is_https { "HTTPS_PROXY" } else { "HTTP_PROXY" }) else {
        return Ok(None);
    };
    let proxy = through(&name, &value, server)?;
    if !is_https && filled("REQUEST_METHOD").is_some() {
        return Err(ProxyError::Cgi { name });
    }
    let (_, exceptions) = either("NO_PROXY").unwrap_or_default();
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = server.port_u16().unwrap_or(if is_https { 443 } else { 80 });
    Ok((!is_direct(&exceptions, host, port)).then_some(proxy))
}

/// The proxy `value`, which somebody set as `name`; without a scheme it is `http`.
pub(super) fn through(name: &str, value: &str, server: &Uri) -> Result<Intercept, ProxyError> {
    let (name, shown) = (name.to_owned(), without_password(value));
    let complete = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let Some(scheme) = complete.parse::<Uri>().ok().and_then(|url| url.scheme_str().map(str::to_owned))
    else {
        return Err(ProxyError::NoUrl { name, value: shown });
    };
    if !matches!(scheme.as_str(), "http" | "https" | "socks5" | "socks5h") {
        return Err(ProxyError::Scheme { name, value: shown });
    }
    let proxy = Matcher::builder().all(complete).build().intercept(server);
    proxy.ok_or(ProxyError::NoUrl { name, value: shown })
}

fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    match rest.rsplit_once('@') {
        Some((_, host)) if scheme.is_empty() => format!("...@{host}"),
        Some((_, host)) => format!("{scheme}://...@{host}"),
        None => url.to_owned(),
    }
}

/// Whether `host` is this machine, or one of the `exceptions` of `NO_PROXY`.
fn is_direct(exceptions: &str, host: &str, port: u16) -> bool {
    let ip = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    let host_lower = host.to_ascii_lowercase();
    let fits = |exception: &str| fits(&exception.trim().to_ascii_lowercase(), &host_lower, ip, port);
    host == "localhost" || ip.is_some_and(|ip| ip.is_loopback()) || exceptions.split(',').any(fits)
}

fn fits(exception: &str, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
    if exception == "*" {
        return true;
    }
    if let Ok(network) = exception.parse::<IpNet>() {
        return ip.is_some_and(|ip| network.contains(&ip));
    }
    let (name, only) = split_port(exception);
    let is_port = only.is_empty() || only == port.to_string();
    let is_host = match name.parse::<IpAddr>() {
        Ok(address) => ip == Some(address.to_canonical()),
        Err(_) => is_within(host, name),
    };
    is_port && is_host
}

/// Name and port, which is empty if there is none.
fn split_port(exception: &str) -> (&str, &str) {
    if let Some(split) = exception.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        return split;
    }
    exception.rsplit_once(':').filter(|(name, _)| !name.contains(':')).unwrap_or((exception, ""))
}

/// `*.x` and `.x` are what is below x; `x` is itself too.
fn is_within(host: &str, domain: &str) -> bool {
    let domain = domain.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(domain);
    if domain.starts_with('.') {
        return host.ends_with(domain);
    }
    let above = host.strip_suffix(domain).filter(|_| !domain.is_empty());
    above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}
