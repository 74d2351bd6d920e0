//! What happens in memory only: rendering and planning, by the very functions that the daemon calls.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use e2e::apiserver::complete;
use e2e::backend::Backend;
use e2e::proxy::NODE;
use e2e::wait::Watch;
use informer::change::Change;
use informer::object::{EndpointSlice, Fingerprint, NamespacedName, Service, raw};
use proxier::family::Family;
use proxier::jump::Jump;
use proxier::option::{Host, LocalDetector, NodePortAddresses, Options};
use proxier::plan::{Applied, Fate, Found, Layout, StaleChains, Transaction, Wanted, plan};
use proxier::proxier::Proxier;
use proxier::render::{self, Context};
use proxier::tables::{Tables, TablesError};
use proxier::world::World;
use serde::Deserialize;
use serde_json::Value;

use crate::figure::{Figure, What, seconds};
use crate::object;
use crate::scale::Scale;

/// One service port is rendered so often for one value.
const ROUNDS: u32 = 100;

/// Measures all of it so many times.
pub(crate) fn measure(scale: Scale, backend: Backend, runs: usize) -> Result<Vec<Figure>> {
    let at = (scale, backend);
    let (options, host) = (options(), Host::default());
    let mut world = world(scale)?;
    let _all = world.take_dirty();
    let context = Context::of(&world, &options, &host);
    let (mut rendering, mut planning, mut one) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let watch = Watch::start();
        world.services().for_each(|(name, _)| drop(black_box(render::service(&world, name, &context))));
        rendering.push(watch.elapsed());

        let watch = Watch::start();
        let planned = black_box(plan_all(&world, &context, backend));
        planning.push(watch.elapsed());
        drop(planned);

        let (name, _) = world.services().nth(scale.services / 2).context("there are Services")?;
        let watch = Watch::start();
        (0..ROUNDS).for_each(|_| drop(black_box(render::service(&world, name, &context))));
        one.push(watch.elapsed() / ROUNDS);
    }
    let lines = endpoint_input(scale, backend)?;
    Ok(vec![
        Figure::new(What::Render, seconds(rendering), None, at),
        Figure::new(What::RenderOne, seconds(one), None, at),
        Figure::new(What::Plan, seconds(planning), None, at),
        Figure::new(What::EndpointInput, vec![lines as f64], None, at),
    ])
}

fn plan_all(world: &World, context: &Context, backend: Backend) -> Transaction {
    let services: Vec<_> = world.services().map(|(name, _)| name).collect();
    let render = |name: &&NamespacedName| {
        render::service(world, name, context).into_iter().map(|port| (port, Fate::Written))
    };
    let (fixed, in_use, gone) = (render::fixed(context), Default::default(), Default::default());
    let (stale, layout) = (StaleChains::Delete, Some(layout(backend)));
    plan(
        &Applied::Found(Found::default()),
        Wanted { fixed, services: &services, render, before: None, in_use, gone, stale, layout },
    )
}

/// How many lines iptables-restore is fed when one endpoint is replaced by another one.
fn endpoint_input(scale: Scale, backend: Backend) -> Result<usize> {
    let mut proxier = Proxier::new(world(scale)?, options(), Duration::from_secs(30));
    let mut input = Input { layout: layout(backend), last: String::new() };
    let host = Host::default();
    #[expect(clippy::disallowed_methods, reason = "syncs are told the time")]
    let now = Instant::now();
    proxier.sync(&mut input, &host, now)?;
    proxier.apply(&change(object::slice(scale, scale.services / 2, 1))?);
    proxier.sync(&mut input, &host, now)?;
    Ok(input.last.lines().count())
}

fn world(scale: Scale) -> Result<World> {
    let mut world = World::new(Family::V4, NODE);
    for object in object::all(scale).filter(|object| object["kind"] != "Node") {
        world.apply(&change(object)?);
    }
    Ok(world)
}

/// The object as the daemon would be told of it.
fn change(object: Value) -> Result<Change> {
    let object = complete(object);
    if object["kind"] == "Service" {
        let (service, _) = Service::parse(&raw::Service::deserialize(&object)?);
        return Ok(Change::SetService(Arc::new(service.context("the Service is proxied")?)));
    }
    let fingerprint = Fingerprint::of(object.to_string().as_bytes());
    let (slice, _) = EndpointSlice::parse(&raw::EndpointSlice::deserialize(&object)?, fingerprint);
    Ok(Change::SetEndpointSlice(Arc::new(slice.context("the slice is of a Service")?)))
}

fn options() -> Options {
    let pods = "10.0.0.0/8".parse().expect("it is a network");
    Options {
        masquerade_all: false,
        masquerade_mark: 1 << 14,
        local_detector: Some(LocalDetector::Source(pods)),
        node_port_addresses: NodePortAddresses::All,
        localhost_node_ports: true,
        node_ip: IpAddr::V4(Ipv4Addr::new(192, 168, 50, 2)),
        external_ips: false,
        drop_invalid: true,
        random_fully: true,
    }
}

fn layout(backend: Backend) -> Layout {
    match backend {
        Backend::Nft => Layout::Blocks,
        Backend::Legacy => Layout::Single,
    }
}

/// Tables that are empty, and take everything.
struct Input {
    layout: Layout,
    last: String,
}

impl Tables for Input {
    fn look(&mut self) -> Result<Found, TablesError> {
        Ok(Found::default())
    }

    fn ensure_jumps(&mut self, _: &[Jump], _: &Found) -> Result<(), TablesError> {
        Ok(())
    }

    fn layout(&self) -> Layout {
        self.layout
    }

    fn restore(&mut self, input: &[u8]) -> Result<(), TablesError> {
        self.last = String::from_utf8_lossy(input).into_owned();
        Ok(())
    }

    fn test(&mut self, _: &[u8]) -> Result<(), TablesError> {
        Ok(())
    }

    fn ensure_canary(&mut self) -> Result<(), TablesError> {
        Ok(())
    }

    fn has_canary(&mut self) -> Result<bool, TablesError> {
        Ok(true)
    }
}
