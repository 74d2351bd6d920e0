//! Makes real namespaces; needs root, and fails without it.

use std::net::{TcpListener, TcpStream};
use std::panic::catch_unwind;

use super::*;

fn exists(name: &str) -> bool {
    Path::new(HOME).join(name).exists()
}

#[test]
fn goes_away_with_its_value() {
    let netns = Netns::new("drop").unwrap();
    let name = netns.name().to_owned();
    assert!(exists(&name));
    drop(netns);
    assert!(!exists(&name));
}

#[test]
fn goes_away_after_a_panic() {
    let name = catch_unwind(|| {
        let netns = Netns::new("panic").unwrap();
        std::panic::panic_any(netns.name().to_owned());
    });
    let name = name.unwrap_err().downcast::<String>().unwrap();
    assert!(!exists(&name));
}

#[test]
fn a_panic_inside_is_a_panic_outside() {
    let panic = catch_unwind(|| Netns::new("inside").unwrap().inside(|| panic!("from inside")));
    assert_eq!(panic.unwrap_err().downcast_ref::<&str>(), Some(&"from inside"));
}

#[test]
fn commands_see_the_namespace_and_not_the_host() {
    let netns = Netns::new("links").unwrap();
    netns.ip("link add eth0 type veth peer name eth1\naddr add 10.9.8.7/24 dev eth0").unwrap();
    assert!(run(netns.command("ip").args(["addr", "show", "eth0"])).unwrap().contains("10.9.8.7/24"));
    assert!(!run(command("ip").arg("addr")).unwrap().contains("10.9.8.7"));
}

#[test]
fn sysctls_are_those_of_the_namespace() {
    let (one, other) = (Netns::new("one").unwrap(), Netns::new("other").unwrap());
    one.set_sysctl("net.ipv4.ip_forward", "1").unwrap();
    assert_eq!(one.sysctl("net.ipv4.ip_forward").unwrap(), "1");
    assert_eq!(other.sysctl("net.ipv4.ip_forward").unwrap(), "0");
    assert!(one.sysctl("net.ipv4.no_such").is_err());
}

#[test]
fn sockets_speak_over_a_cable_in_both_families_at_once() {
    let (near, far) = (Netns::new("near").unwrap(), Netns::new("far").unwrap());
    near.connect("eth0", &far, "eth0").unwrap();
    near.ip("addr add 10.9.0.1/24 dev eth0\naddr add fd00:9::1/64 dev eth0 nodad").unwrap();
    far.ip("addr add 10.9.0.2/24 dev eth0\naddr add fd00:9::2/64 dev eth0 nodad").unwrap();
    let server = far.inside(|| TcpListener::bind("[::]:80")).unwrap();
    for address in ["10.9.0.2:80", "[fd00:9::2]:80"] {
        let local = near.inside(|| TcpStream::connect(address)).unwrap().local_addr().unwrap();
        let (_, peer) = server.accept().unwrap();
        assert_eq!((peer.ip().to_canonical(), peer.port()), (local.ip(), local.port()));
    }
}

#[test]
fn only_our_names_are_swept() {
    assert_eq!(owner("kp-123-1-golden"), Some(123));
    for name in ["kp-123", "kp-x-1-golden", "cni-123-1-a", "kp-probe", "kp-123-golden"] {
        assert_eq!(owner(name), None, "{name}");
    }
}
