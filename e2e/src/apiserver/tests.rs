//! What clients of other makes may rely on: the server as one who speaks plain HTTP/1.1 sees it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::{ApiServer, Kind, Options};

fn server() -> ApiServer {
    let options = Options { has_tls: false, token: None, page: Some(1), ..Options::default() };
    let server = ApiServer::start(options).unwrap();
    for name in ["a", "b"] {
        let service =
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "demo"}});
        server.set(service).unwrap();
    }
    server
}

/// A request whose answer is read by line.
fn open(server: &ApiServer, method: &str, path: &str, body: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let length = body.len();
    let content_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    BufReader::new(stream)
}

/// The HTTP status and the body.
fn ask(server: &ApiServer, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut answer = String::new();
    open(server, method, path, body).read_to_string(&mut answer).unwrap();
    let code = answer[9..12].parse().unwrap();
    let start = answer.find('{').unwrap();
    let end = answer.rfind('}').unwrap();
    (code, serde_json::from_str(&answer[start..=end]).unwrap())
}

#[test]
fn lists_look_like_lists() {
    let (code, list) = ask(&server(), "GET", "/api/v1/services?resourceVersion=0&limit=1", "");
    assert_eq!(
        (code, list["kind"].as_str(), list["apiVersion"].as_str()),
        (200, Some("ServiceList"), Some("v1"))
    );
    assert_eq!(list["metadata"]["resourceVersion"], "1002");
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    assert!(list["items"][0]["kind"].is_null());
    assert_eq!(list["items"][0]["metadata"]["resourceVersion"], "1001");
}

#[test]
fn pages_belong_to_one_version() {
    let server = server();
    let (_, first) = ask(&server, "GET", "/api/v1/services?limit=1", "");
    assert_eq!(first["items"][0]["metadata"]["name"], "a");
    server.delete(Kind::Service, "demo", "b");
    let token = first["metadata"]["continue"].as_str().unwrap().replace('=', "%3D").replace('+', "%2B");
    let path = format!("/api/v1/services?limit=1&continue={token}");
    let (_, second) = ask(&server, "GET", &path, "");
    assert_eq!(second["items"][0]["metadata"]["name"], "b");
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let (code, status) = ask(&server, "GET", &path, "");
    assert_eq!((code, status["reason"].as_str()), (410, Some("Expired")));
}

#[test]
fn refusals() {
    let server = server();
    for (path, expected) in [
        ("/api/v1/services?resourceVersion=5000", 504),
        ("/api/v1/pods", 403),
        ("/api/v1/namespaces/demo/services/a", 403),
        ("/api/v1/nodes/n", 404),
        ("/api/v1/services?watch=true&sendInitialEvents=true", 422),
        ("/api/v1/services?watch=true&resourceVersion=x", 400),
    ] {
        let (code, status) = ask(&server, "GET", path, "");
        assert_eq!((code, status["kind"].as_str()), (expected, Some("Status")), "{path}");
        assert_eq!(status["code"], expected);
    }
}

#[test]
fn a_compacted_watch_is_told_in_the_stream() {
    let server = server();
    server.compact();
    let (code, event) = ask(&server, "GET", "/api/v1/services?watch=1&resourceVersion=1001", "");
    assert_eq!(
        (code, event["type"].as_str(), event["object"]["code"].as_u64()),
        (200, Some("ERROR"), Some(410))
    );
}

#[test]
fn events_are_created_and_patched() {
    let server = server();
    let path = "/apis/events.k8s.io/v1/namespaces/default/events";
    let event = r#"{"metadata": {"name": "n.17"}, "eventTime": "2026-11-23T05:56:00.000001Z", "type": "Normal", "reason": "Starting", "action": "Start", "regarding": {"kind": "Node", "name": "n"}, "reportingController": "x", "reportingInstance": "x-n"}"#;
    let (code, created) = ask(&server, "POST", path, event);
    assert_eq!((code, created["kind"].as_str()), (201, Some("Event")));
    assert_eq!(ask(&server, "POST", path, event).0, 409);
    let incomplete = event.replace("n.17", "n.18").replace("Normal", "Fine");
    assert_eq!(ask(&server, "POST", path, &incomplete).0, 422);
    let series = r#"{"series": {"count": 2, "lastObservedTime": "2026-11-23T05:56:01.000000Z"}}"#;
    let (code, patched) = ask(&server, "PATCH", &format!("{path}/n.17"), series);
    assert_eq!(
        (code, patched["series"]["count"].as_u64(), patched["reason"].as_str()),
        (200, Some(2), Some("Starting"))
    );
    assert_eq!(server.list(Kind::Event).len(), 1);
}

#[test]
fn a_watch_over_http1() {
    let server = server();
    let mut watch = open(&server, "GET", "/api/v1/services?watch=true&resourceVersion=1001", "");
    let mut text = String::new();
    while !text.contains("ADDED") {
        assert_ne!(watch.read_line(&mut text).unwrap(), 0);
    }
    server.delete(Kind::Service, "demo", "b");
    while !text.contains("DELETED") {
        assert_ne!(watch.read_line(&mut text).unwrap(), 0);
    }
    assert!(text.contains(r#""resourceVersion":"1003""#), "{text}");
    server.close_watches(Kind::Service);
    watch.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("0\r\n\r\n"), "it ends in good order: {text}");
}
