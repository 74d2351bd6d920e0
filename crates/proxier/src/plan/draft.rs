//! Turns Services into the texts of their service ports; many of them in a few parts, side by side.
//!
//! Knows nothing of shared chains, and of what follows from the texts.

use std::collections::{BTreeMap, BTreeSet};
use std::panic;
use std::thread;

use crate::render::RenderedPort;
use crate::service::ServicePortName;

use super::port::{PortText, Texts};
use super::{Applied, Fate};

/// In how many parts many Services are worked on: more gain little, since what follows is done by one thread.
const PARTS: usize = 4;
/// Fewer Services are done before another thread has begun. Not so in tests, so that small clusters have many parts.
const FEW: usize = if cfg!(test) { 2 } else { 250 };

/// The service ports of a transaction.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) ports: BTreeMap<ServicePortName, PortText>,
    /// Those whose rules become what was rendered.
    pub(super) rendered: BTreeSet<ServicePortName>,
    /// Those whose rules go.
    pub(super) gone: BTreeSet<ServicePortName>,
}

/// What is known of the rules that are there.
#[derive(Clone, Copy)]
pub(super) struct There<'a> {
    pub(super) applied: &'a Applied,
    /// Before anything was tried.
    pub(super) before: &'a Applied,
}

/// What becomes of the rules of one service port.
enum Outcome {
    Rendered(PortText),
    /// With rules that must be mentioned, or none.
    Kept(Option<PortText>),
    Gone,
}

impl Draft {
    /// Everything is rendered once, each Service by one of a few threads.
    pub(super) fn of<S, P>(services: &[S], render: &(impl Fn(&S) -> P + Sync), there: There<'_>) -> Self
    where
        S: Sync,
        P: IntoIterator<Item = (RenderedPort, Fate)>,
    {
        let outcomes = |part: &[S]| -> Vec<_> {
            let mut texts = Texts::default();
            let ports = part.iter().flat_map(render);
            ports
                .map(|(port, fate)| (port.name.clone(), Outcome::of(&port, fate, there, &mut texts)))
                .collect()
        };
        let size = services.len().div_ceil(PARTS).max(FEW);
        let mut draft = Self::default();
        side_by_side(services, size, &outcomes)
            .into_iter()
            .flatten()
            .for_each(|(name, outcome)| draft.add(name, outcome));
        draft
    }

    fn add(&mut self, name: ServicePortName, outcome: Outcome) {
        match outcome {
            Outcome::Rendered(port) => {
                self.rendered.insert(name.clone());
                self.ports.insert(name, port);
            }
            Outcome::Kept(port) => self.ports.extend(port.map(|port| (name, port))),
            Outcome::Gone => drop(self.gone.insert(name)),
        }
    }
}

impl Outcome {
    fn of(port: &RenderedPort, fate: Fate, there: There<'_>, texts: &mut Texts) -> Self {
        let There { applied, before } = there;
        match fate {
            Fate::Written => Self::Rendered(PortText::of(port, applied, texts)),
            Fate::Kept if before.may_stay(port) => Self::Kept(PortText::kept(&port.name, applied, before)),
            Fate::Kept | Fate::Dropped => Self::Gone,
        }
    }
}

/// Does the work on parts of so many, and tells what came of each, in their order. A part for which no thread can be
/// started is done by the calling one, as the last part is.
fn side_by_side<S: Sync, R: Send>(all: &[S], size: usize, work: &(impl Fn(&[S]) -> R + Sync)) -> Vec<R> {
    let parts: Vec<_> = all.chunks(size).collect();
    let Some((last, others)) = parts.split_last() else { return Vec::new() };
    thread::scope(|scope| {
        let begin = |part| {
            let builder = thread::Builder::new().name("plan".to_owned());
            builder.spawn_scoped(scope, move || work(part)).map_err(|_| part)
        };
        let begun: Vec<_> = others.iter().map(|part| begin(*part)).collect();
        let last = work(last);
        let ended = begun.into_iter().map(|part| match part {
            Ok(thread) => thread.join().unwrap_or_else(|payload| panic::resume_unwind(payload)),
            Err(part) => work(part),
        });
        ended.chain([last]).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread::current;

    use super::*;

    #[test]
    fn parts_come_back_in_their_order() {
        let all: Vec<u32> = (0..10).collect();
        for size in 1..12 {
            let parts = side_by_side(&all, size, &<[u32]>::to_vec);
            assert!(parts.iter().all(|part| part.len() <= size), "{parts:?}");
            assert_eq!(parts.concat(), all);
        }
        assert!(side_by_side(&[0; 0], 1, &<[u32]>::to_vec).is_empty());
    }

    #[test]
    fn each_part_has_its_thread_and_few_need_none() {
        let here = current().id();
        let threads: HashSet<_> = side_by_side(&[(); 4], 1, &|_| current().id()).into_iter().collect();
        assert_eq!(threads.len(), 4);
        assert_eq!(side_by_side(&[(); FEW], FEW, &|_| current().id()), [here]);
    }
}
