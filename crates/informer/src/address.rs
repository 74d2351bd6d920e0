//! Turns the IP and CIDR text of API objects into addresses, as leniently as Kubernetes does.
//!
//! Knows nothing of the field the text stands in, nor of which family that field wants.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

#[cfg(test)]
mod tests;

/// The address that `text` means, if any.
///
/// Leading zeros are allowed and decimal in IPv4 (`10.0.0.010` is 10.0.0.10), and allowed in a group
/// of IPv6. An IPv4-mapped IPv6 address is an IPv4 address. Blanks and zones are refused.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    Some(match parse_unmapped(text)? {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(address).to_canonical(),
    })
}

/// The network that `text` means, if any, masked to its network address.
///
/// The address is as for [`parse_ip`]; the prefix length may have leading zeros. A network inside the
/// IPv4-mapped range is an IPv4 network.
pub fn parse_cidr(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let length = parse_decimal(length)?;
    let network = match parse_unmapped(address)? {
        IpAddr::V4(address) => IpNet::V4(Ipv4Net::new(address, length).ok()?),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) if length >= MAPPED_PREFIX => {
                IpNet::V4(Ipv4Net::new(mapped, length - MAPPED_PREFIX).ok()?)
            }
            Some(_) | None => IpNet::V6(Ipv6Net::new(address, length).ok()?),
        },
    };
    Some(network.trunc())
}

/// Length of the prefix that all IPv4-mapped addresses share.
const MAPPED_PREFIX: u8 = 96;

fn parse_unmapped(text: &str) -> Option<IpAddr> {
    match text.chars().find(|&c| c == '.' || c == ':')? {
        '.' => parse_v4(text).map(IpAddr::V4),
        _ => parse_v6(text).map(IpAddr::V6),
    }
}

fn parse_v4(text: &str) -> Option<Ipv4Addr> {
    let mut parts = text.split('.');
    let mut octets = [0; 4];
    for octet in &mut octets {
        *octet = parse_decimal(parts.next()?)?;
    }
    parts.next().is_none().then(|| octets.into())
}

fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    let groups: Option<Vec<String>> = text.split(':').map(plain_group).collect();
    groups?.join(":").parse().ok()
}

/// A group of an IPv6 address in the form that the standard library reads: it allows no more than
/// four digits in a group and no leading zeros in a trailing IPv4 part.
fn plain_group(group: &str) -> Option<String> {
    if group.contains('.') {
        return parse_v4(group).map(|address| address.to_string());
    }
    let digits = group.trim_start_matches('0');
    Some(if digits.is_empty() && !group.is_empty() { "0" } else { digits }.to_owned())
}

fn parse_decimal(text: &str) -> Option<u8> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match text.trim_start_matches('0') {
        "" => Some(0),
        digits => digits.parse().ok(),
    }
}
