//! Turns events into what happens on the stage, at once or when a fault ends.
//!
//! Does not know which events there will be.
#![expect(clippy::disallowed_methods, reason = "events happen at moments")]

use std::fs::File;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Stage;
use crate::fault::{self, Api, Fault, Vandal};
use crate::history::Event;
use crate::object;

/// Names of faults that are met later than they begin.
const LOCK: &str = "lock";
const TOOL: &str = "tool";

/// The end of a fault that lasts.
pub(super) enum End {
    Start,
    Release { lock: File },
    Heal,
    Resume,
}

impl Stage {
    /// Waits; faults end meanwhile.
    pub(crate) fn pause(&mut self, pause: Duration) -> Result<()> {
        let until = Instant::now() + pause;
        while let Some(next) = self.ends.iter().map(|(at, _)| *at).min().filter(|at| *at <= until) {
            sleep(next.saturating_duration_since(Instant::now()));
            self.end(next)?;
        }
        sleep(until.saturating_duration_since(Instant::now()));
        Ok(())
    }

    /// Waits until all faults have ended; a daemon that ended because of one is started again, as the kubelet would.
    pub(crate) fn calm(&mut self) -> Result<()> {
        while let Some(next) = self.ends.iter().map(|(at, _)| *at).min() {
            sleep(next.saturating_duration_since(Instant::now()));
            self.end(next)?;
        }
        self.server.clear_script();
        self.revive()
    }

    fn end(&mut self, now: Instant) -> Result<()> {
        let (due, later) = std::mem::take(&mut self.ends).into_iter().partition(|(at, _)| *at <= now);
        self.ends = later;
        let due: Vec<(Instant, End)> = due;
        for (_, end) in due {
            match end {
                End::Start if self.proxy.is_none() => self.start()?,
                End::Start => {}
                End::Release { lock } => self.released(lock),
                End::Heal => self.met.extend(fault::heal(&self.tools).then_some(TOOL)),
                End::Resume => self.hosts.node.inside(|| self.server.resume())?,
            }
        }
        Ok(())
    }

    /// Does it; tells whether anything came of it at once.
    pub(crate) fn play(&mut self, event: &Event) -> Result<bool> {
        match event {
            Event::Put { service, form } => {
                for object in object::churned(*service, *form) {
                    self.server.set(object)?;
                }
                Ok(true)
            }
            Event::Remove { service } => {
                for (kind, namespace, name) in object::keys(*service) {
                    self.server.delete(kind, namespace, &name);
                }
                Ok(true)
            }
            Event::Fault(fault) => self.break_something(fault),
        }
    }

    fn break_something(&mut self, fault: &Fault) -> Result<bool> {
        let now = Instant::now();
        match *fault {
            Fault::Kill { down } => {
                let was_up = self.proxy.is_some();
                self.kill();
                self.ends.push((now + down, End::Start));
                self.pause(Duration::ZERO)?;
                Ok(was_up)
            }
            Fault::Lock { held } => {
                self.release();
                let lock = fault::lock(&self.tools.lock())?;
                fault::watch_lock(&self.tools)?;
                self.is_excused = true;
                self.ends.push((Instant::now() + held, End::Release { lock }));
                Ok(false)
            }
            Fault::Tool { tool, lasts } => {
                self.met.extend(fault::heal(&self.tools).then_some(TOOL));
                tool.begin(&self.tools)?;
                self.is_excused = true;
                self.ends.push((now + lasts, End::Heal));
                Ok(false)
            }
            Fault::Api(api) => {
                // It cannot go down twice.
                if let Api::Down { lasts } = api {
                    if self.ends.iter().any(|(_, end)| matches!(end, End::Resume)) {
                        return Ok(false);
                    }
                    self.ends.push((now + lasts, End::Resume));
                }
                api.begin(&self.server);
                Ok(self.proxy.is_some())
            }
            Fault::Flush { family, table } => self.vandalize(|vandal| {
                vandal.flush(family, table)?;
                Ok(Some(format!("{family} {table}")))
            }),
            Fault::Jump { family, pick } => self.vandalize(|vandal| vandal.delete_jump(family, pick)),
            Fault::Chain { family, pick } => self.vandalize(|vandal| vandal.delete_chain(family, pick)),
            Fault::Rule { family, pick } => self.vandalize(|vandal| vandal.delete_rule(family, pick)),
            Fault::Foreign { family, pick } => self.vandalize(|vandal| vandal.add_rule(family, pick)),
        }
    }

    /// Who holds the lock lets nobody else in, nor can take it once more.
    fn release(&mut self) {
        let ends = std::mem::take(&mut self.ends);
        for (at, end) in ends {
            match end {
                End::Release { lock } => self.released(lock),
                other @ (End::Start | End::Heal | End::Resume) => self.ends.push((at, other)),
            }
        }
    }

    fn released(&mut self, lock: File) {
        drop(lock);
        self.met.extend(fault::unwatch_lock(&self.tools).then_some(LOCK));
    }

    /// The daemon may change what was picked before it is broken; then nothing comes of it.
    fn vandalize(&mut self, act: impl Fn(&Vandal<'_>) -> Result<Option<String>>) -> Result<bool> {
        self.release();
        let lock = self.tools.lock();
        let vandal = Vandal { node: &self.hosts.node, backend: self.backend, lock: &lock };
        let picked = act(&vandal).unwrap_or_else(|error| {
            self.picked.push(format!("(in vain: {error:#})"));
            None
        });
        let came_of_it = picked.is_some();
        self.picked.extend(picked);
        Ok(came_of_it)
    }
}
