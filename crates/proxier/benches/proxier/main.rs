//! What the pure parts cost: rendering, planning, reading back. `make bench` measures them with the kernel's part.

mod cluster;
mod saved;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use informer::object::NamespacedName;
use proxier::jump::Jump;
use proxier::option::Host;
use proxier::plan::{Applied, Counts, Fate, Found, Layout, StaleChains, Transaction, Wanted, plan};
use proxier::proxier::Proxier;
use proxier::render::{self, Context};
use proxier::tables::{Tables, TablesError};
use proxier::world::World;

const SIZES: [u32; 2] = [1_000, 10_000];
const LAYOUTS: [Layout; 2] = [Layout::Blocks, Layout::Single];

fn main() {
    divan::main();
}

#[divan::bench(args = SIZES, sample_count = 20, sample_size = 1)]
fn render_everything(bencher: Bencher, services: u32) {
    let (world, options, host) = (cluster::world(services), cluster::options(), Host::default());
    let context = Context::of(&world, &options, &host);
    bencher.counter(ItemsCount::new(services)).bench_local(|| {
        world.services().for_each(|(name, _)| drop(black_box(render::service(&world, name, &context))));
    });
}

#[divan::bench]
fn render_one_port(bencher: Bencher) {
    let (world, options, host) = (cluster::world(10_000), cluster::options(), Host::default());
    let context = Context::of(&world, &options, &host);
    let name = cluster::name(5_000);
    bencher.bench_local(|| render::service(&world, &name, &context));
}

/// With rendering.
#[divan::bench(args = LAYOUTS, sample_count = 20, sample_size = 1)]
fn plan_everything(bencher: Bencher, layout: Layout) {
    let (world, options, host) = (cluster::world(10_000), cluster::options(), Host::default());
    let context = Context::of(&world, &options, &host);
    bencher.bench_local(|| transaction(&world, &context, layout));
}

/// From the change to what iptables-restore is fed, with 10,000 Services installed.
#[divan::bench(args = LAYOUTS, sample_count = 50, sample_size = 1)]
fn sync_one_endpoint(bencher: Bencher, layout: Layout) {
    let mut proxier = Proxier::new(cluster::world(0), cluster::options(), Duration::from_secs(30));
    cluster::changes(10_000).iter().for_each(|change| drop(proxier.apply(change)));
    let (mut tables, host, now) = (Taken { layout, found: Found::default() }, Host::default(), now());
    proxier.sync(&mut tables, &host, now).expect("these tables take everything");
    let mut is_replaced = false;
    bencher.bench_local(|| {
        is_replaced = !is_replaced;
        proxier.apply(&cluster::set_slice(5_000, is_replaced));
        proxier.sync(&mut tables, &host, now)
    });
}

#[divan::bench(args = SIZES, sample_count = 20, sample_size = 1)]
fn read_a_save(bencher: Bencher, services: u32) {
    let save = saved(services);
    bencher.counter(BytesCount::of_str(&save)).bench_local(|| Found::of(save.as_bytes()));
}

/// A restart, without reading what is there.
#[divan::bench(args = LAYOUTS, sample_count = 20, sample_size = 1)]
fn sync_with_what_is_there(bencher: Bencher, layout: Layout) {
    let save = saved(10_000);
    let changes = cluster::changes(10_000);
    let restarted = || {
        let mut proxier = Proxier::new(cluster::world(0), cluster::options(), Duration::from_secs(30));
        changes.iter().for_each(|change| drop(proxier.apply(change)));
        let found = Found::of(save.as_bytes()).expect("it is a save");
        (proxier, Taken { layout, found })
    };
    bencher.with_inputs(restarted).bench_local_values(|(mut proxier, mut tables)| {
        let report = proxier.sync(&mut tables, &Host::default(), now()).expect("nothing is written");
        assert_eq!(report.written, Counts::default());
        (proxier, tables)
    });
}

/// What iptables-save prints once the rules of such a cluster are there.
fn saved(services: u32) -> String {
    let (world, options) = (cluster::world(services), cluster::options());
    saved::text(&render::ruleset(&world, &options, &Host::default()))
}

fn transaction(world: &World, context: &Context, layout: Layout) -> Transaction {
    let services: Vec<_> = world.services().map(|(name, _)| name).collect();
    let render = |name: &&NamespacedName| {
        render::service(world, name, context).into_iter().map(|port| (port, Fate::Written))
    };
    let (fixed, in_use, gone) = (render::fixed(context), BTreeSet::new(), BTreeSet::new());
    let (stale, layout) = (StaleChains::Delete, Some(layout));
    plan(
        &Applied::Found(Found::default()),
        Wanted { fixed, services: &services, render, before: None, in_use, gone, stale, layout },
    )
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "syncs are told the time")]
    Instant::now()
}

/// Tables that take everything, and where that was found.
struct Taken {
    layout: Layout,
    found: Found,
}

impl Tables for Taken {
    fn look(&mut self) -> Result<Found, TablesError> {
        Ok(std::mem::take(&mut self.found))
    }

    fn ensure_jumps(&mut self, _: &[Jump], _: &Found) -> Result<(), TablesError> {
        Ok(())
    }

    fn layout(&self) -> Layout {
        self.layout
    }

    fn restore(&mut self, input: &[u8]) -> Result<(), TablesError> {
        black_box(input);
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
