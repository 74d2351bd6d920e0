//! Turns a seed into a history: changes of the cluster and faults, in rounds with quiet between them.
//!
//! Does not know how anything of it is done, nor how long it takes.

use std::fmt;
use std::time::Duration;

use e2e::backend::{Backend, Family};
use fastrand::Rng;

use crate::fault::{Api, Fault, Tool};

/// Services that come, change and go.
const CHURNED: usize = 10;
/// Every so many histories have a crowd of Services, so that the rules take several transactions; not so large a one
/// that stale chains stay for a while.
const CROWDED: u64 = 4;
const CROWD: usize = 120;
const ROUNDS: usize = 8;

/// A history, and the seed that brings it back.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) seed: u64,
    pub(crate) backend: Backend,
    /// Services that are there all the time and that nobody asks.
    pub(crate) crowd: usize,
    pub(crate) rounds: Vec<Round>,
}

/// Events with a pause before each. Quiet follows.
#[derive(Clone, Debug)]
pub(crate) struct Round(pub(crate) Vec<(Duration, Event)>);

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A Service of the churned ones, with its slices, gets the form that this seed leads to.
    Put {
        service: usize,
        form: u64,
    },
    /// It goes.
    Remove {
        service: usize,
    },
    Fault(Fault),
}

impl History {
    /// The same history for the same seed; odd ones are for the older backend.
    pub(crate) fn of(seed: u64, only: Option<Backend>) -> History {
        let mut rng = Rng::with_seed(seed);
        let backend = only.unwrap_or(Backend::ALL[(seed % 2) as usize]);
        let crowd = if seed / 2 % CROWDED == 1 { CROWD } else { 0 };
        let rounds = (0..ROUNDS).map(|_| round(&mut rng, backend)).collect();
        History { seed, backend, crowd, rounds }
    }
}

impl Round {
    pub(crate) fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter().filter_map(|(_, event)| match event {
            Event::Fault(fault) => Some(fault),
            Event::Put { .. } | Event::Remove { .. } => None,
        })
    }
}

fn round(rng: &mut Rng, backend: Backend) -> Round {
    let mut events: Vec<Event> = (0..rng.usize(1..5)).map(|_| change(rng)).collect();
    for _ in 0..rng.usize(1..4) {
        let place = rng.usize(..=events.len());
        events.insert(place, Event::Fault(fault(rng, backend)));
    }
    Round(events.into_iter().map(|event| (Duration::from_millis(rng.u64(0..200)), event)).collect())
}

fn change(rng: &mut Rng) -> Event {
    let service = rng.usize(..CHURNED);
    if rng.u8(..4) == 0 { Event::Remove { service } } else { Event::Put { service, form: rng.u64(..) } }
}

fn fault(rng: &mut Rng, backend: Backend) -> Fault {
    let family = Family::ALL[rng.usize(..2)];
    let pick = rng.usize(..);
    match rng.u8(..100) {
        0..20 => Fault::Kill { down: millis(rng, &[0, 0, 0, 200, 700]) },
        // The newer backend has no lock.
        20..28 if backend == Backend::Legacy => Fault::Lock { held: millis(rng, &[100, 500, 1500]) },
        20..36 => Fault::Tool { tool: tool(rng), lasts: millis(rng, &[100, 300, 800, 1500]) },
        36..52 => Fault::Api(api(rng)),
        52..64 => Fault::Flush { family, table: ["nat", "nat", "filter", "mangle"][rng.usize(..4)] },
        64..74 => Fault::Jump { family, pick },
        74..84 => Fault::Chain { family, pick },
        84..94 => Fault::Rule { family, pick },
        _ => Fault::Foreign { family, pick },
    }
}

fn tool(rng: &mut Rng) -> Tool {
    let tools = [
        Tool::Fails,
        Tool::Locked,
        Tool::Missing,
        Tool::CutsSave,
        Tool::Hangs { millis: 700 },
        Tool::Killed { millis: rng.u64(1..40) },
    ];
    rng.choice(tools).expect("there are some")
}

fn api(rng: &mut Rng) -> Api {
    match rng.u8(..5) {
        0 => Api::CutConnections,
        1 => Api::CutWatches,
        2 => Api::Compact,
        3 => Api::Refuse { times: rng.u32(1..4) },
        _ => Api::Down { lasts: millis(rng, &[100, 500]) },
    }
}

fn millis(rng: &mut Rng, choices: &[u64]) -> Duration {
    Duration::from_millis(*rng.choice(choices).expect("there are some"))
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, backend, crowd, rounds } = self;
        writeln!(f, "seed {seed} ({backend}, {crowd} Services around)")?;
        for (number, Round(events)) in (1..).zip(rounds) {
            writeln!(f, "round {number}:")?;
            for (pause, event) in events {
                writeln!(f, "  +{:3} ms  {event}", pause.as_millis())?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { service, form } => write!(f, "put churn-{service}, form {form:x}"),
            Self::Remove { service } => write!(f, "remove churn-{service}"),
            Self::Fault(fault) => write!(f, "FAULT {fault:?}"),
        }
    }
}
