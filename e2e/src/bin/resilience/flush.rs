//! A story about a nat table that is emptied under load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family, Tools};
use e2e::canonical::canonical;
use e2e::cluster::Hosts;
use e2e::flow::sender::Sender;
use e2e::manifests::Manifests;
use e2e::proxy::Proxy;
use e2e::request::{Protocol, Request};
use e2e::wait::{self, Watch};

use crate::cluster::{Service, endpoint, manifests, service};
use crate::stage::{PATIENCE, config};

const SERVICES: usize = 1000;
/// Those that are under load.
const ASKED: [usize; 3] = [1, 500, 999];
/// How often a legacy table is looked at.
const SHORT: Duration = Duration::from_secs(3);
/// Where the kernel tells of a flush, nothing else may be what mends it.
const NEVER: Duration = Duration::from_secs(3600);
/// How long an answer is waited for, and between two datagrams of a flow.
const BRIEF: Duration = Duration::from_millis(50);

/// New connections, and flows that have gone on all the time, find their Services again.
pub(crate) fn under_load(backend: Backend) -> Result<()> {
    let (hosts, tools, files) = (Hosts::new()?, Tools::new(backend)?, Manifests::new()?);
    let services: Vec<_> = (0..SERVICES).map(answered).collect();
    files.put("services.yaml", &manifests(&services))?;
    let sync_period = match backend {
        Backend::Nft => NEVER,
        Backend::Legacy => SHORT,
    };
    let proxy = Proxy::start(&hosts.node, &tools, files.path(), &config(sync_period))?;
    let told = |error: anyhow::Error| error.context(format!("the end of the log:\n{}", proxy.log_tail()));
    wait::until(PATIENCE, || all_answer(&hosts, &services)).map_err(told)?;
    let before = canonical(&tools.save(&hosts.node, Family::V4)?)?;
    let flows = ASKED.map(|number| Sender::start(&hosts.client, services[number].address(), BRIEF));
    let flows = flows.into_iter().collect::<Result<Vec<_>>>()?;
    wait::until(PATIENCE, || go_on(&flows, &[0; ASKED.len()])).map_err(told)?;

    let load = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| hosts.client.inside(|| ask_until(&load, &services)));
        let flushed = tools.flush(&hosts.node, Family::V4, &["nat"]);
        let flushed = flushed.and_then(|()| back(&hosts, &services, &proxy));
        load.store(false, Ordering::Relaxed);
        flushed
    })
    .map(|said| eprintln!("a flush under load ({backend}): {said}"))
    .map_err(told)?;

    let count: Vec<_> = flows.iter().map(|flow| flow.answers().len()).collect();
    wait::until(PATIENCE, || go_on(&flows, &count)).context("a flow got stuck").map_err(told)?;
    wait::until(PATIENCE, || {
        let after = canonical(&tools.save(&hosts.node, Family::V4)?)?;
        ensure!(before == after, "other rules:\n{}", e2e::canonical::diff(&before, &after));
        Ok(())
    })
    .map_err(told)
}

/// Behind it are two of the pods, which answer over TCP and UDP.
fn answered(number: usize) -> Service {
    Service { endpoints: vec![endpoint(10), endpoint(11)], ..service(number).with_udp() }
}

/// Waits until all answers are back; says how long that took, and what the daemon says of it.
fn back(hosts: &Hosts, services: &[Service], proxy: &Proxy) -> Result<String> {
    let watch = Watch::start();
    wait::until(PATIENCE, || all_answer(hosts, services))?;
    let took = watch.elapsed();
    proxy.wait_for_log(PATIENCE, "wrote again what was gone")?;
    let log = proxy.log()?;
    let line = log.lines().find(|line| line.contains("wrote again what was gone")).context("just seen")?;
    let elapsed = line.split_once("elapsed=").map_or(line, |(_, elapsed)| elapsed);
    Ok(format!(
        "answers were back after {:.2} s, rules by the daemon's own count after {elapsed}",
        took.as_secs_f64()
    ))
}

fn all_answer(hosts: &Hosts, services: &[Service]) -> Result<()> {
    for request in requests(services) {
        let answer = hosts.client.inside(|| request.ask_here(4 * BRIEF))?;
        ensure!(answer.server().is_some(), "{} over {}: {answer}", request.to, request.protocol);
    }
    Ok(())
}

fn requests(services: &[Service]) -> impl Iterator<Item = Request> {
    let asked = ASKED.iter().map(|number| services[*number].address());
    asked.flat_map(|address| Protocol::ALL.map(|protocol| Request::new(protocol, address)))
}

/// One request after the other, whatever comes of it.
fn ask_until(load: &AtomicBool, services: &[Service]) {
    while load.load(Ordering::Relaxed) {
        for request in requests(services) {
            let _answer = request.ask_here(BRIEF);
        }
    }
}

/// Whether each flow has had more answers than before.
fn go_on(flows: &[Sender], before: &[usize]) -> Result<()> {
    for (flow, before) in flows.iter().zip(before) {
        ensure!(flow.answers().len() > before + 3, "no answer any more for {} to {}", flow.from, flow.to);
    }
    Ok(())
}
