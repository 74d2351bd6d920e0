//! A story about objects whose texts would mean something on a command line.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::wait;
use serde_json::{Value, json};

use crate::cluster::{Service, manifests, service};
use crate::stage::{PATIENCE, Stage};

const SHORT: Duration = Duration::from_secs(3);
/// Part of every odd text.
const MARK: &str = "oddly";
/// The last call of a first round: it looks for the canary.
const LAST: &str = "KUBE-PROXY-CANARY";

/// The tools are called as they are without such objects: texts of objects reach them through standard input, if at all.
pub(crate) fn never_reach_a_command_line(backend: Backend) -> Result<()> {
    let services = [service(0), service(1)];
    let plain = calls(backend, &services, "")?;
    let odd = calls(backend, &services, &odd_objects())?;
    let new: Vec<_> = odd.difference(&plain).collect();
    ensure!(new.is_empty(), "called only because of odd objects: {new:#?}");
    ensure!(odd.iter().any(|call| call.contains("-restore [")), "no iptables-restore among {odd:#?}");
    Ok(())
}

/// How tools are called for a first sync, a change, a mended jump and a look for the canary.
fn calls(backend: Backend, services: &[Service; 2], more: &str) -> Result<BTreeSet<String>> {
    let stage = Stage::new(backend)?.with_sync_period(SHORT);
    stage.faults.note_calls()?;
    let put =
        |services: &[Service]| stage.manifests.put("all.yaml", &format!("{}{more}", manifests(services)));
    put(&services[..1])?;
    let proxy = stage.start()?;
    stage.wait_for_answer(&proxy, &services[0])?;
    put(services)?;
    stage.wait_for_answer(&proxy, &services[1])?;
    let jump = "PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES";
    stage.restore(Family::V4, &format!("*nat\n-D {jump}\nCOMMIT\n"))?;
    proxy.wait_for_log(PATIENCE, "wrote again what was gone")?;
    wait::until(PATIENCE, || {
        let calls = stage.faults.calls()?;
        let looked = calls.iter().filter(|call| call.contains(LAST) && call.contains("-S")).count();
        ensure!(looked >= 6, "the canary was looked for in {looked} tables of both families");
        Ok(())
    })
    .with_context(|| proxy.log_tail())?;
    ensure!(!stage.rules()?.contains(MARK), "an odd text is in the rules");
    stage.faults.calls()
}

/// One JSON document, which is YAML too, for each place that takes a text.
fn odd_objects() -> String {
    let texts = [
        "; touch oddly",
        "$(oddly)",
        "`oddly`",
        "\" -j oddly",
        "\n-A INPUT -j oddly\nCOMMIT\n",
        "--oddly",
        "oddly\u{0}",
    ];
    let objects = texts.iter().zip(50..).flat_map(|(text, number)| odd_ones(text, number));
    objects.map(|object| format!("---\n{object}\n")).collect()
}

fn odd_ones(text: &str, number: usize) -> Vec<Value> {
    let service = |name: &str, spec: Value| {
        let mut object = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "kp", "name": name},
            "spec": {
                "type": "LoadBalancer", "clusterIP": format!("10.96.9.{number}"),
                "clusterIPs": [format!("10.96.9.{number}")], "ipFamilies": ["IPv4"],
                "ports": [{"name": "p", "port": 80, "protocol": "TCP"}],
            },
        });
        for (field, value) in spec.as_object().into_iter().flatten() {
            object["spec"][field] = value.clone();
        }
        object
    };
    let port = |field: &str| {
        let mut port = json!({"name": "p", "port": 80, "protocol": "TCP"});
        port[field] = json!(text);
        json!({"ports": [port]})
    };
    let name = |place: &str| format!("odd-{place}-{number}");
    let mut objects = vec![
        service(text, json!({})),
        service(&name("address"), json!({"clusterIP": text, "clusterIPs": [text]})),
        service(&name("external"), json!({"externalIPs": [text]})),
        service(&name("source"), json!({"loadBalancerSourceRanges": [text]})),
        service(&name("affinity"), json!({"sessionAffinity": text})),
        service(&name("policy"), json!({"internalTrafficPolicy": text})),
        service(&name("port"), port("name")),
        service(&name("protocol"), port("protocol")),
    ];
    let mut ingress = service(&name("ingress"), json!({}));
    ingress["status"] = json!({"loadBalancer": {"ingress": [{"ip": text, "hostname": text}]}});
    objects.push(ingress);
    objects.push(json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"namespace": "kp", "name": name("slice"), "labels": {"kubernetes.io/service-name": name("external")}},
        "ports": [{"name": "p", "port": 80, "protocol": "TCP"}],
        "endpoints": [
            {"addresses": [text], "conditions": {"ready": true}},
            {"addresses": ["10.244.0.3"], "nodeName": text, "zone": text, "hints": {"forZones": [{"name": text}]}, "conditions": {"ready": true}},
        ],
    }));
    objects
}
