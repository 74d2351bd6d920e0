//! Turns address text into addresses as leniently as Kubernetes does: leading zeros are decimal, not octal.
//!
//! Does not know which addresses a field accepts; that is `validate`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

/// Reads one address. IPv4 octets may have leading zeros; an IPv4-mapped IPv6 address is an IPv4 address.
#[must_use]
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    match text.bytes().find(|byte| matches!(byte, b'.' | b':'))? {
        b'.' => ipv4(text).map(IpAddr::V4),
        _ => ipv6(text).map(|address| IpAddr::V6(address).to_canonical()),
    }
}

/// Reads `address/prefix`, masked to its network; the prefix may have leading zeros.
#[must_use]
pub fn parse_cidr(text: &str) -> Option<IpNet> {
    let (address, prefix) = text.split_once('/')?;
    let ip = parse_ip(address)?;
    let mut prefix = number(prefix, 128)?;
    // The prefix of a mapped IPv6 address counts from the start of the 128 bits.
    if ip.is_ipv4() && address.contains(':') {
        prefix = prefix.checked_sub(96)?;
    }
    IpNet::new(ip, u8::try_from(prefix).ok()?).ok().map(|net| net.trunc())
}

/// Reads `v4:port` or `[v6]:port` with a port from 1 to 65535.
///
/// # Errors
/// The part that is wrong: the whole text if it cannot be split, else the host or the port.
pub fn parse_socket(text: &str) -> Result<SocketAddr, BadSocket> {
    let (host, port) = split_host_port(text).ok_or_else(|| BadSocket::Form(text.to_owned()))?;
    let ip = parse_ip(host).ok_or_else(|| BadSocket::Host(host.to_owned()))?;
    match number(port, u32::from(u16::MAX)).and_then(|port| u16::try_from(port).ok()) {
        Some(number) if number > 0 => Ok(SocketAddr::new(ip, number)),
        _ => Err(BadSocket::Port(port.to_owned())),
    }
}

/// Which part of a socket address is wrong, with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadSocket {
    /// Not of the form `host:port`.
    Form(String),
    /// The host is not an address.
    Host(String),
    /// The port is not a number from 1 to 65535.
    Port(String),
}

/// Splits `host:port`, taking the brackets off an IPv6 host. Says nothing about either part.
#[must_use]
pub fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once("]:")?,
        None => text.rsplit_once(':').filter(|(host, _)| !host.contains(':'))?,
    };
    let stray = |part: &str| part.contains(['[', ']']);
    (!stray(host) && !stray(port) && !port.contains(':')).then_some((host, port))
}

/// `host:port`, with brackets around an IPv6 host.
#[must_use]
pub fn join_host_port(host: &str, port: i32) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        *octet = u8::try_from(number(parts.next()?, 255)?).ok()?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// The standard library reads IPv6 once surplus leading zeros are gone.
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    let groups: Option<Vec<String>> = text.split(':').map(ipv6_group).collect();
    groups?.join(":").parse().ok()
}

fn ipv6_group(group: &str) -> Option<String> {
    if group.contains('.') {
        return ipv4(group).map(|tail| tail.to_string());
    }
    let significant = group.trim_start_matches('0');
    Some(if significant.is_empty() && !group.is_empty() { "0" } else { significant }.to_owned())
}

/// An unsigned decimal number up to `max`, leading zeros allowed, no sign.
fn number(text: &str, max: u32) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = text.trim_start_matches('0');
    let value = if significant.is_empty() { 0 } else { significant.parse().ok()? };
    (value <= max).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses() {
        for (text, canonical) in [
            ("10.0.0.1", Some("10.0.0.1")),
            ("192.168.099.022", Some("192.168.99.22")),
            ("001.002.003.004", Some("1.2.3.4")),
            ("::", Some("::")),
            ("FD00::000001", Some("fd00::1")),
            ("::ffff:1.2.3.4", Some("1.2.3.4")),
            ("::ffff:01.02.03.04", Some("1.2.3.4")),
            ("64:ff9b::1.2.3.4", Some("64:ff9b::102:304")),
            ("1.2.3", None),
            ("1.2.3.256", None),
            ("1.2.3.4.5", None),
            (" 1.2.3.4", None),
            ("+1.2.3.4", None),
            ("[::1]", None),
            ("fe80::1%eth0", None),
            ("1::2::3", None),
            ("localhost", None),
            ("", None),
        ] {
            assert_eq!(parse_ip(text).map(|ip| ip.to_string()).as_deref(), canonical, "{text}");
        }
    }

    #[test]
    fn cidrs_are_masked() {
        for (text, canonical) in [
            ("10.1.2.3/8", Some("10.0.0.0/8")),
            ("010.0.0.0/08", Some("10.0.0.0/8")),
            ("fd00::1/64", Some("fd00::/64")),
            ("::ffff:10.1.2.3/104", Some("10.0.0.0/8")),
            ("::ffff:10.1.2.3/64", None),
            ("10.0.0.0/33", None),
            ("fd00::/129", None),
            ("10.0.0.0", None),
            ("10.0.0.0/", None),
            ("10.0.0.0/+8", None),
            ("10.0.0.0/8 ", None),
            ("primary", None),
        ] {
            assert_eq!(parse_cidr(text).map(|net| net.to_string()).as_deref(), canonical, "{text}");
        }
    }

    #[test]
    fn sockets() {
        let read = |text: &str| parse_socket(text).map(|socket| socket.to_string());
        assert_eq!(read("0.0.0.0:10256").as_deref(), Ok("0.0.0.0:10256"));
        assert_eq!(read("[::]:10256").as_deref(), Ok("[::]:10256"));
        assert_eq!(read("1.2.3.4"), Err(BadSocket::Form("1.2.3.4".into())));
        assert_eq!(read("::1"), Err(BadSocket::Form("::1".into())));
        assert_eq!(read("[::1]"), Err(BadSocket::Form("[::1]".into())));
        assert_eq!(read(""), Err(BadSocket::Form(String::new())));
        assert_eq!(read(":1234"), Err(BadSocket::Host(String::new())));
        assert_eq!(read("localhost:1"), Err(BadSocket::Host("localhost".into())));
        for port in ["0", "65536", "http", "", "-1"] {
            assert_eq!(read(&format!("1.2.3.4:{port}")), Err(BadSocket::Port(port.into())));
        }
    }

    #[test]
    fn joins_with_brackets_for_ipv6() {
        assert_eq!(join_host_port("1.2.3.4", 80), "1.2.3.4:80");
        assert_eq!(join_host_port("::1", 80), "[::1]:80");
    }

    proptest! {
        #[test]
        fn reads_what_the_standard_library_prints(bits: u128, v4: u32) {
            let v6 = IpAddr::V6(Ipv6Addr::from(bits)).to_canonical();
            let v4 = IpAddr::V4(Ipv4Addr::from(v4));
            prop_assert_eq!(parse_ip(&v6.to_string()), Some(v6));
            prop_assert_eq!(parse_ip(&v4.to_string()), Some(v4));
        }

        #[test]
        fn never_panics(text in "[0-9a-f:./\\[\\]é]*") {
            let _ = (parse_ip(&text), parse_cidr(&text), parse_socket(&text));
        }
    }
}
