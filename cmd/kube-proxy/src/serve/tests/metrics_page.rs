//! The metrics server on the wire.

use std::sync::atomic::AtomicU32;
use std::sync::mpsc::{self, Receiver, Sender};

use config::{Checked, Gates};
use flate2::read::GzDecoder;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, Registry};

use super::*;
use crate::built::Build;

#[test]
fn plain_pages() {
    let address = start("", &[]);
    for ip in [V4, V6] {
        for (path, body) in [
            ("/healthz", "ok"),
            ("/healthz?verbose", "[+]ping ok\nhealthz check passed\n"),
            ("/healthz?verbose&exclude=ping", "[+]ping excluded: ok\nhealthz check passed\n"),
            ("/healthz/ping", "ok"),
            ("/proxyMode", "iptables"),
        ] {
            let reply = get((ip, address.port()).into(), path);
            assert_eq!(reply.status, "HTTP/1.1 200 OK", "{path}");
            assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"), "{path}");
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(reply.text(), body, "{path}");
        }
    }
    for path in ["/", "/livez", "/readyz", "/proxyMode/", "/metrics/", "/debug/pprof/", "/debug/flags/v"] {
        let reply = get(address, path);
        assert_eq!(reply.status, "HTTP/1.1 404 Not Found", "{path}");
        assert_eq!(reply.text(), "404 page not found\n", "{path}");
    }
}

#[test]
fn metrics_are_text_and_compressed_on_request() {
    let address = start("", &[]);
    let expected = "# HELP beans_total Beans\n# TYPE beans_total counter\nbeans_total 3\n";
    let plain = get(address, "/metrics");
    let content_type = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    assert_eq!(plain.header("content-type"), Some(content_type));
    assert_eq!(plain.text(), expected);
    let start: f64 = plain.header("process-start-time-unix").unwrap().parse().unwrap();
    assert!(start > 1e9, "{start}");
    for (accepted, is_compressed) in
        [("gzip", true), ("deflate, gzip;q=0.5", true), ("gzip;q=0", false), ("br", false)]
    {
        let reply = ask(address, "GET", "/metrics", &[&format!("Accept-Encoding: {accepted}")], "");
        assert_eq!(reply.header("content-encoding"), is_compressed.then_some("gzip"), "{accepted}");
        assert_eq!(reply.header("content-type"), Some(content_type));
        let mut text = String::new();
        if is_compressed {
            GzDecoder::new(&*reply.body).read_to_string(&mut text).unwrap();
        } else {
            text = reply.text();
        }
        assert_eq!(text, expected, "{accepted}");
    }
}

#[test]
fn checks_are_counted_until_they_are_reset() {
    let address = start("", &[]);
    let all = r#"kubernetes_healthchecks_total{name="ping",status="success",type="healthz"}"#;
    let has = |line: &str| get(address, "/metrics/slis").text().lines().any(|found| found == line);
    assert!(!get(address, "/metrics/slis").text().contains("kubernetes"));
    get(address, "/healthz");
    get(address, "/healthz?verbose");
    assert!(has(&format!("{all} 2")));
    assert!(has(r#"kubernetes_healthcheck{name="ping",type="healthz"} 1"#));
    assert!(get(address, "/metrics/slis").text().contains("# TYPE process_start_time_seconds gauge\n"));
    assert_eq!(ask(address, "DELETE", "/metrics/slis", &[], "").text(), "metrics reset\n");
    assert!(!get(address, "/metrics/slis").text().contains("kubernetes"));
    get(address, "/healthz");
    assert!(has(&format!("{all} 1")));
}

#[test]
fn the_configuration_in_effect_is_told() {
    let address = start("clusterCIDR: 10.244.0.0/16\nfeatureGates: {AllowServiceExternalIPs: false}\n", &[]);
    let reply = get(address, "/configz");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    let start = r#"{"kubeproxy.config.k8s.io":{"kind":"KubeProxyConfiguration","apiVersion":"kubeproxy.config.k8s.io/v1alpha1","#;
    assert!(reply.text().starts_with(start), "{}", reply.text());
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    let config = &body["kubeproxy.config.k8s.io"];
    assert_eq!(body.as_object().unwrap().len(), 1);
    assert_eq!(config["clusterCIDR"], "10.244.0.0/16");
    assert_eq!(config["mode"], "iptables");
    assert_eq!(config["iptables"]["syncPeriod"], "30s");
    assert_eq!(config["featureGates"]["AllowServiceExternalIPs"], false);
    assert!(!get(start_default(), "/configz").text().contains("featureGates"));
}

#[test]
fn people_are_told_flags_and_status() {
    let address = start("", &[("v", "2"), ("bind-address", "0.0.0.0")]);
    let reply = get(address, "/flagz");
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    let text = reply.text();
    assert!(text.starts_with("\nkube-proxy flagz\nWarning: "), "{text}");
    assert!(text.ends_with("\n\nbind-address=0.0.0.0\nv=2\n"), "{text}");
    let text = get(address, "/statusz").text();
    assert!(text.starts_with("\nkube-proxy statusz\nWarning: "), "{text}");
    for part in ["Up: 0 hr 0", "Binary version: 1.36.2\n", "Emulation version: 1.36\n", "/flagz"] {
        assert!(text.contains(part), "{text}");
    }
    for (accept, status) in [
        ("application/json", "HTTP/1.1 406 Not Acceptable"),
        ("application/json;v=v1beta1;g=config.k8s.io;as=Flagz", "HTTP/1.1 406 Not Acceptable"),
        ("text/html, */*;q=0.1", "HTTP/1.1 200 OK"),
        ("text/plain;charset=utf-8", "HTTP/1.1 200 OK"),
    ] {
        for path in ["/flagz", "/statusz"] {
            assert_eq!(
                ask(address, "GET", path, &[&format!("Accept: {accept}")], "").status,
                status,
                "{accept}"
            );
        }
    }
    let address = start("featureGates: {ComponentFlagz: false, ComponentStatusz: false}\n", &[]);
    for path in ["/flagz", "/statusz"] {
        assert_eq!(get(address, path).status, "HTTP/1.1 404 Not Found");
    }
}

#[test]
fn the_level_of_the_log_can_be_changed_and_profiling_is_refused() {
    let level = Arc::new(AtomicU32::new(0));
    let set = Arc::clone(&level);
    let debug = Debug::new(move |to| set.store(to, Ordering::Relaxed));
    let address = serve(pages("", &[]).with_debug(debug));
    let put = |body: &str| ask(address, "PUT", "/debug/flags/v", &[], body);
    assert_eq!(put("4").text(), "successfully set klog.logging.verbosity to 4\n");
    assert_eq!(level.load(Ordering::Relaxed), 4);
    for bad in ["many", "-1", "4294967296", &"9".repeat(5000)] {
        assert_eq!(put(bad).status, "HTTP/1.1 400 Bad Request", "{bad}");
    }
    let reply = get(address, "/debug/flags/v");
    assert_eq!(reply.status, "HTTP/1.1 406 Not Acceptable");
    assert_eq!(reply.text(), "unsupported http method\n");
    assert_eq!(level.load(Ordering::Relaxed), 4);
    assert_eq!(get(address, "/debug/flags").status, "HTTP/1.1 200 OK");
    for path in ["/debug/pprof", "/debug/pprof/", "/debug/pprof/heap"] {
        let reply = get(address, path);
        assert_eq!(reply.status, "HTTP/1.1 501 Not Implemented", "{path}");
        assert!(reply.text().contains("perf record"), "{}", reply.text());
    }
    assert_eq!(get(address, "/debug/other").status, "HTTP/1.1 404 Not Found");
}

/// A metric that is not there before somebody says so.
#[derive(Debug)]
struct Slow {
    begun: Sender<()>,
    go_on: Mutex<Receiver<()>>,
    desc: Desc,
}

impl Collector for Slow {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.begun.send(()).unwrap();
        self.go_on.lock().unwrap().recv_timeout(DEADLINE).unwrap();
        Vec::new()
    }
}

#[test]
fn nobody_waits_for_metrics_who_asks_for_health() {
    let ((begun, has_begun), (go_on, goes_on)) = (mpsc::channel(), mpsc::channel());
    let desc = Desc::new("slow".to_owned(), "Slow".to_owned(), Vec::new(), Default::default()).unwrap();
    let registry = Registry::new();
    registry.register(Box::new(Slow { begun, go_on: Mutex::new(goes_on), desc })).unwrap();
    let pages = pages_of(registry, "", &[]);
    let (servers, metrics, health) = (servers(), free_port(), free_port());
    servers.serve_metrics(any(metrics), pages, never);
    socket::serve_health(&servers, any(health), never);
    let mut node_ports = servers.node_ports(vec![V4], None);
    let check = free_port();
    assert!(node_ports.set(&node_port::one("lb", check, 1)).is_empty());
    let scrape = thread::spawn(move || get((V4, metrics).into(), "/metrics"));
    has_begun.recv_timeout(DEADLINE).unwrap();
    for (port, path) in [(health, "/livez"), (check, "/")] {
        assert_eq!(get((V4, port).into(), path).status, "HTTP/1.1 200 OK", "{path}");
    }
    assert!(!scrape.is_finished());
    go_on.send(()).unwrap();
    assert!(scrape.join().unwrap().text().contains("beans_total 3"));
}

fn start_default() -> SocketAddr {
    start("", &[])
}

fn start(config: &str, flags: &[(&'static str, &str)]) -> SocketAddr {
    serve(pages(config, flags))
}

fn serve(pages: MetricsPages) -> SocketAddr {
    let port = free_port();
    servers().serve_metrics(any(port), pages, never);
    (V4, port).into()
}

fn pages(config: &str, flags: &[(&'static str, &str)]) -> MetricsPages {
    pages_of(Registry::new(), config, flags)
}

pub(super) fn pages_of(registry: Registry, config: &str, flags: &[(&'static str, &str)]) -> MetricsPages {
    let beans = IntCounter::new("beans_total", "Beans").unwrap();
    beans.inc_by(3);
    registry.register(Box::new(beans)).unwrap();
    let build = Build { release: "v1.36.2".into(), ..Build::default() };
    let (config, gates) = configuration(config);
    let flags = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    MetricsPages::new(registry, &config.config, &gates, flags, (build, now())).unwrap()
}

fn configuration(text: &str) -> (Checked, Gates) {
    let head = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";
    let checked = config::decode(&format!("{head}{text}")).unwrap().config.check().unwrap();
    let gates = checked.gates.clone();
    (checked, gates)
}
