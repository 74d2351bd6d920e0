//! Turns a start, and a port that somebody else has, into the Events that the API server is posted.
//!
//! Does not know how they are sent, nor what becomes of those that repeat themselves.

use std::net::TcpListener;

use anyhow::{Context, Result, ensure};
use e2e::apiserver::{Kind, Verb};
use e2e::backend::Backend;
use e2e::page::Page;
use e2e::wait;
use serde_json::{Value, json};

use crate::object;
use crate::pages::SERVICE;
use crate::stage::{CONFIG, PATIENCE, Stage};

/// Where the health check of the Service is, in IPv4.
const CHECK: &str = "10.200.0.2:31234";

/// What is posted is exact.
pub(crate) fn posted() -> Result<()> {
    let mut stage = Stage::new(Backend::Nft)?;
    stage.set(object::NODE)?;
    stage.set(SERVICE)?;
    stage.set(&object::slices("lb", &[("node1", 11)]))?;
    let taken = stage.node.inside(|| TcpListener::bind("0.0.0.0:31234")).context("take the port")?;
    stage.start(CONFIG, &[])?;
    let told = told(&stage, taken);
    stage.explained(told)?;
    stage.stop()
}

fn told(stage: &Stage, taken: TcpListener) -> Result<()> {
    let events = wait::until(PATIENCE, || {
        let events = stage.server.list(Kind::Event);
        ensure!(events.len() == 2, "there are {events:#?}");
        Ok(events)
    })?;
    let of = |reason: &str| -> Result<&Value> {
        events
            .iter()
            .find(|event| event["reason"] == reason)
            .with_context(|| format!("{reason}: {events:#?}"))
    };
    let start = json!({
        "type": "Normal", "reason": "Starting", "action": "StartKubeProxy", "note": "",
        "regarding": {"apiVersion": "v1", "kind": "Node", "name": "node1"},
    });
    is(of("Starting")?, "node1", "default", start)?;
    let warning = json!({
        "type": "Warning", "reason": "FailedToStartServiceHealthcheck", "action": "Listen",
        "note": "node node1 can't serve the health check of demo/lb on port 31234: listen tcp 0.0.0.0:31234: bind: address already in use",
        "regarding": {"apiVersion": "v1", "kind": "Service", "namespace": "demo", "name": "lb"},
    });
    is(of("FailedToStartServiceHealthcheck")?, "lb", "demo", warning)?;
    let seen = stage.server.seen();
    for namespace in ["default", "demo"] {
        let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        let posts = seen.iter().filter(|seen| seen.verb == Verb::Write && seen.path == path);
        let methods: Vec<_> = posts.map(|seen| seen.method.as_str()).collect();
        ensure!(methods == ["POST"], "{path}: {methods:?}");
    }

    // The next sync tries again.
    drop(taken);
    stage.set(&object::slices("lb", &[("node1", 12)]))?;
    wait::until(PATIENCE, || {
        let page = Page::get(&stage.node, CHECK.parse()?, "/")?;
        ensure!(page.code == 200, "{page:?}");
        Ok(())
    })
}

/// The Event is about this object, and says this and no more. The server itself has judged the form of times.
fn is(event: &Value, object: &str, namespace: &str, mut expected: Value) -> Result<()> {
    let uname = rustix::system::uname();
    let host = uname.nodename().to_str().context("the host's name is text")?;
    expected["apiVersion"] = "events.k8s.io/v1".into();
    expected["kind"] = "Event".into();
    expected["reportingController"] = "kube-proxy".into();
    expected["reportingInstance"] = format!("kube-proxy-{host}").into();
    expected["eventTime"] = event["eventTime"].clone();
    let mut found = event.clone();
    let metadata = found["metadata"].take();
    let fields = found.as_object_mut().context("an object")?;
    fields.remove("metadata");
    // More than one sync in six minutes may have failed in the same way.
    fields.remove("series");
    ensure!(found == expected, "{event:#}\nis not\n{expected:#}");
    let name = metadata["name"].as_str().unwrap_or_default();
    let nanoseconds = name.strip_prefix(&format!("{object}.")).map(|hex| u64::from_str_radix(hex, 16));
    ensure!(matches!(nanoseconds, Some(Ok(_))), "metadata.name is {name:?}");
    ensure!(metadata["namespace"] == namespace, "metadata.namespace is {}", metadata["namespace"]);
    Ok(())
}
