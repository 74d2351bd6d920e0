//! Addresses, failures to listen, and clients that behave badly.

use std::sync::mpsc;

use config::Gates;
use prometheus::Registry;

use super::connection::Limits;
use super::*;
use crate::built::Build;
use crate::metrics::Metrics;

#[test]
fn a_wildcard_of_either_family_means_both() {
    for wildcard in ["0.0.0.0", "::"] {
        let port = free_port();
        serve_health(&servers(), SocketAddr::new(wildcard.parse().unwrap(), port), never);
        for ip in [V4, V6] {
            assert_eq!(get((ip, port).into(), "/livez").status, "HTTP/1.1 200 OK", "{wildcard} {ip}");
        }
    }
}

#[test]
fn an_address_means_itself() {
    let port = free_port();
    serve_health(&servers(), (V4, port).into(), never);
    assert_eq!(get((V4, port).into(), "/livez").status, "HTTP/1.1 200 OK");
    assert!(is_refused((V6, port).into()));
    let port = free_port();
    serve_health(&servers(), (V6, port).into(), never);
    assert_eq!(get((V6, port).into(), "/livez").status, "HTTP/1.1 200 OK");
    assert!(is_refused((V4, port).into()));
}

#[test]
fn a_port_in_use_is_tried_until_it_is_free() {
    let port = free_port();
    let other = TcpListener::bind((V4, port)).unwrap();
    serve_health(&servers(), (V4, port).into(), never);
    // Long enough for a try that fails; whether there was one does not matter for what follows.
    thread::sleep(Duration::from_millis(150));
    drop(other);
    assert_eq!(get((V4, port).into(), "/livez").status, "HTTP/1.1 200 OK");
}

#[test]
fn a_failure_may_be_the_end() {
    let port = free_port();
    let _other = TcpListener::bind((V4, port)).unwrap();
    let servers = Servers::start(OnListenFailure::End).unwrap();
    let (tell, told) = mpsc::channel();
    serve_health(&servers, (V4, port).into(), move |error| tell.send(error).unwrap());
    let error = told.recv_timeout(DEADLINE).unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "healthz server failed: failed to start proxy healthz on 127.0.0.1:{port}: \
             listen tcp 127.0.0.1:{port}: bind: address already in use"
        )
    );
}

#[test]
fn an_address_of_another_host_says_so() {
    let _context = servers().runtime.enter();
    let error = listen::shared("192.0.2.1:10256".parse().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "listen tcp 192.0.2.1:10256: bind: cannot assign requested address");
}

#[test]
fn the_oldest_connection_gives_way() {
    let address = serve_within(Limits { connections: 2, header: DEADLINE });
    let mut oldest = connect(address);
    let _second = connect(address);
    assert_eq!(get(address, "/").text(), "fine");
    assert_eq!(oldest.read(&mut [0]).unwrap(), 0);
}

#[test]
fn whoever_says_nothing_is_hung_up_on() {
    let address = serve_within(Limits { connections: 2, header: Duration::from_millis(50) });
    let mut silent = connect(address);
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    let mut slow = connect(address);
    // On a slow machine the end comes before the first byte, and either of these fails.
    let _late = slow.write_all(b"GET / HTTP/1.1\r\nHost: te");
    let mut rest = Vec::new();
    let _reset = slow.read_to_end(&mut rest);
    assert!(!String::from_utf8(rest).unwrap().contains("fine"));
}

#[test]
fn a_connection_serves_several_requests() {
    let address = serve_within(Limits { connections: 2, header: DEADLINE });
    let mut stream = connect(address);
    for _ in 0..3 {
        assert_eq!(ask_again(&mut stream).text(), "fine");
    }
}

pub(super) fn serve_health(
    servers: &Servers,
    address: SocketAddr,
    failed: impl FnOnce(ServeError) + Send + 'static,
) {
    let health = SharedHealth::new(Health::new(Duration::from_secs(30)));
    let metrics = Metrics::new(&Registry::new(), &Build::default(), &Gates::default()).unwrap();
    servers.serve_health(address, health, metrics.health, failed);
}

fn serve_within(limits: Limits) -> SocketAddr {
    let (servers, address) = (servers(), SocketAddr::from((V4, free_port())));
    let _context = servers.runtime.enter();
    let listener = listen::shared(address).unwrap();
    let pages = Arc::new(|_: &Request| Answer::text(200, "fine"));
    tokio::spawn(connection::accept(listener, pages, limits));
    address
}
