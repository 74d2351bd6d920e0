//! Real HTTP on the loopback interface, on IPv4 and IPv6, by a client that hides nothing.
//!
//! Ports are taken from below those that the kernel gives to clients.

mod health_page;
mod metrics_page;
mod node_port;
mod request;
mod socket;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
/// Longer than anything takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// What came back, as it was on the wire.
#[derive(Debug)]
struct Reply {
    status: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

fn servers() -> Servers {
    let servers = Servers::start(OnListenFailure::Retry).unwrap();
    Servers { retry: Duration::from_millis(50), ..servers }
}

/// A port that nobody listens on, in either family, and that no other test gets.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let offset = std::process::id() * 97 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(10_000 + offset % 20_000).unwrap();
        if TcpListener::bind(("::", port)).is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn get(address: SocketAddr, path: &str) -> Reply {
    ask(address, "GET", path, &[], "")
}

fn ask(address: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Reply {
    let mut stream = connect(address);
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    for header in headers {
        request += &format!("{header}\r\n");
    }
    if !body.is_empty() {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    parse(&reply)
}

fn parse(reply: &[u8]) -> Reply {
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n").expect("a head is there");
    let head = String::from_utf8(reply[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().to_owned();
    let headers: Vec<(String, String)> =
        lines.map(|line| line.split_once(": ").unwrap()).map(|(a, b)| (a.into(), b.into())).collect();
    assert!(headers.iter().all(|(name, _)| name.starts_with(char::is_uppercase)), "{headers:?}");
    let reply = Reply { status, headers, body: reply[end + 4..].to_vec() };
    assert_eq!(reply.header("content-length").unwrap().parse(), Ok(reply.body.len()));
    assert!(reply.header("date").is_some());
    reply
}

/// Asks over a connection that stays.
fn ask_again(stream: &mut TcpStream) -> Reply {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let mut reply = Vec::new();
    while !is_whole(&reply) {
        let mut part = [0; 1024];
        let length = stream.read(&mut part).unwrap();
        assert_ne!(length, 0, "it broke off: {:?}", String::from_utf8_lossy(&reply));
        reply.extend_from_slice(&part[..length]);
    }
    parse(&reply)
}

fn is_whole(reply: &[u8]) -> bool {
    let Some(end) = reply.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&reply[..end]).to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
    length == Some(reply.len() - end - 4)
}

/// Waits until somebody listens.
fn connect(address: SocketAddr) -> TcpStream {
    let begin = Instant::now();
    loop {
        match TcpStream::connect_timeout(&address, DEADLINE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                return stream;
            }
            Err(error) => assert!(begin.elapsed() < DEADLINE, "{address}: {error}"),
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// The wildcard address of IPv4, which stands for both families.
fn any(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))
}

fn never(error: ServeError) {
    panic!("{error}");
}
