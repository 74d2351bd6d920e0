//! What counts as an address or a network, and how it is printed.

use proptest::prelude::*;

use super::{parse_cidr, parse_ip};

fn ip(text: &str) -> String {
    parse_ip(text).map_or_else(|| "-".to_owned(), |address| address.to_string())
}

fn cidr(text: &str) -> String {
    parse_cidr(text).map_or_else(|| "-".to_owned(), |network| network.to_string())
}

#[test]
fn addresses() {
    for (text, expected) in [
        ("10.0.0.1", "10.0.0.1"),
        ("192.168.099.022", "192.168.99.22"),
        ("172.30.0.041", "172.30.0.41"),
        ("10.180.00.001", "10.180.0.1"),
        ("1.2.3.0000000255", "1.2.3.255"),
        ("1.2.3.256", "-"),
        ("1.2.3", "-"),
        ("1.2.3.4.5", "-"),
        ("1.2.3.", "-"),
        ("1.2.3.+4", "-"),
        ("1.2.3.0x4", "-"),
        (" 1.2.3.4", "-"),
        ("1.2.3.4\n", "-"),
        ("1.2:3.4", "-"),
        ("fd00::1", "fd00::1"),
        ("FD00:0:0:0:0:0:0:1", "fd00::1"),
        ("fd00:0000000:0:1::", "fd00:0:0:1::"),
        ("fd00::00001", "fd00::1"),
        ("::", "::"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ("1:2:3:4:5:6:7:8::", "-"),
        ("1::2::3", "-"),
        ("1:::3", "-"),
        ("fd00::12345", "-"),
        ("fd00::1%eth0", "-"),
        ("[fd00::1]", "-"),
        ("::ffff:10.0.0.010", "10.0.0.10"),
        ("::ffff:a00:1", "10.0.0.1"),
        ("::10.0.0.1", "::a00:1"),
        ("64:ff9b::10.0.0.1", "64:ff9b::a00:1"),
        ("", "-"),
        ("localhost", "-"),
        ("1234", "-"),
        ("\u{0661}.2.3.4", "-"),
    ] {
        assert_eq!(ip(text), expected, "{text:?}");
    }
}

#[test]
fn networks() {
    for (text, expected) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("203.0.113.000/025", "203.0.113.0/25"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("10.0.0.1/32", "10.0.0.1/32"),
        ("10.0.0.1/33", "-"),
        ("10.0.0.1/", "-"),
        ("10.0.0.1/-1", "-"),
        ("10.0.0.1/8/8", "-"),
        ("10.0.0.1", "-"),
        ("10.0.0.1 /8", "-"),
        ("fd00::1/64", "fd00::/64"),
        ("::/0", "::/0"),
        ("fd00::/129", "-"),
        ("fd00::/256", "-"),
        ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
        ("::ffff:10.1.2.3/96", "0.0.0.0/0"),
        ("::ffff:10.1.2.3/80", "::/80"),
    ] {
        assert_eq!(cidr(text), expected, "{text:?}");
    }
}

proptest! {
    #[test]
    fn printed_addresses_are_read_back(bits: u128) {
        let address = std::net::IpAddr::from(bits.to_be_bytes()).to_canonical();
        prop_assert_eq!(parse_ip(&address.to_string()), Some(address));
    }

    #[test]
    fn any_text_is_judged(text in "[0-9a-f.:/% ]{0,40}|.{0,20}") {
        if let Some(address) = parse_ip(&text) {
            prop_assert_eq!(parse_ip(&address.to_string()), Some(address));
        }
        if let Some(network) = parse_cidr(&text) {
            prop_assert_eq!(parse_cidr(&network.to_string()), Some(network));
        }
    }
}
