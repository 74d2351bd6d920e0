//! Turns a UDP client that keeps its socket, and a Service that changes pods under it, into two time lines.
//!
//! Does not know of conntrack entries: what counts is where datagrams arrive.

use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::backend::Family;
use e2e::flow::sender::Sender;
use e2e::flow::service::{Service, Target::ClusterIp, pods};
use e2e::flow::sink::Manner;
use e2e::flow::stage::Stage;

/// A sign of the time line stands for so much, in which the client sends several times.
const SIGN: Duration = Duration::from_millis(200);
const INTERVAL: Duration = Duration::from_millis(50);

const WITH_A: Duration = Duration::from_secs(1);
const WITHOUT: Duration = Duration::from_secs(2);
const WITH_B: Duration = Duration::from_secs(5);

/// Later than this is not at once.
const AT_ONCE: Duration = Duration::from_millis(500);

/// Tells the chapter; fails if datagrams do not arrive where they should, or arrive where they cannot.
pub(crate) fn tell(out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "UDP. A client that keeps its socket, as many DNS and metrics clients do, sends to a Service all the time.\n\
         Its only pod, a, goes away; after two seconds there is another one, b, with another address.\n\
         One sign for each {} s: who got the datagrams, x: they were refused, -: they vanished.\n",
        SIGN.as_secs_f64()
    )?;
    let story = play(&[])?;
    writeln!(out, "  {:<27}{}", "kube-proxy", story.line)?;
    let again = story.again.context("datagrams do not arrive again")?;
    ensure!(again < AT_ONCE, "they arrive again only after {again:?}");

    let without = play(&["--flush-conntrack=false"])?;
    writeln!(out, "  {:<27}{}\n", "  --flush-conntrack=false", without.line)?;
    ensure!(
        without.again.is_none(),
        "without looking after conntrack entries, datagrams arrive again all the same"
    );
    writeln!(
        out,
        "The first datagram reached b {:.2} s after the rules led there. Without looking after conntrack entries none\n\
         does, for as long as the client goes on, though the rules are right: a new socket reached b at once.\n",
        again.as_secs_f64()
    )?;
    Ok(())
}

struct Story {
    line: String,
    /// How long after the rules the first datagram reached the second pod.
    again: Option<Duration>,
}

fn play(flags: &[&'static str]) -> Result<Story> {
    let stage = Stage::start("", flags)?;
    let service = Service::new(&pods(&[0]));
    let begin = stage.put(Family::V4, &service)?;
    let to = service.address(Family::V4, ClusterIp, Manner::Silent);
    let client = Sender::start(&stage.client, to, INTERVAL)?;
    let arrived = stage.wait_for(AT_ONCE, || stage.arrival(&client, 0, begin)).context("a gets nothing")?;
    sleep(WITH_A);

    let gone = stage.put(Family::V4, &Service::new(&[]))?;
    stage.pods[0].ip("link set eth0 down")?;
    sleep(WITHOUT);

    let back = stage.put(Family::V4, &Service::new(&pods(&[1])))?;
    sleep(WITH_B);
    let fresh = Sender::start(&stage.client, to, INTERVAL)?;
    let reached = stage.wait_for(AT_ONCE, || stage.arrival(&fresh, 1, back));
    ensure!(reached.is_some(), "a new socket does not reach b");

    let signs = |from, span| signs(&stage, &client, from, span);
    let line = [signs(arrived, WITH_A), signs(gone, WITHOUT), signs(back, WITH_B)].join(" ");
    let again = stage.arrival(&client, 1, back).map(|at| at - back);
    Ok(Story { line, again })
}

/// The latest that happened within each sign.
fn signs(stage: &Stage, client: &Sender, from: Instant, span: Duration) -> String {
    let events = |moments: Vec<Instant>, sign: char| moments.into_iter().map(move |at| (at, sign));
    let mut events: Vec<(Instant, char)> = events(stage.sinks[0].arrivals(client), 'a')
        .chain(events(stage.sinks[1].arrivals(client), 'b'))
        .chain(events(client.refusals(), 'x'))
        .collect();
    events.sort_unstable();
    let starts = (0..).map(|number| from + SIGN * number).take_while(|start| *start < from + span);
    let sign = |start| {
        let within = |(at, _): &&(Instant, char)| (start..start + SIGN).contains(at);
        events.iter().rfind(within).map_or('-', |(_, sign)| *sign)
    };
    starts.map(sign).collect()
}
