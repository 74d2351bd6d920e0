//! What others do to the rules of a family: how it comes to be noticed, when it is looked for, and what is told of it.
//!
//! Writes no rule: what is missing is found and written by the next sync.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conntrack::generation::Cause;
use proxier::drift::watch::Heard;
use proxier::plan::Layout;
use proxier::proxier::{Glimpse, Kind, Report};
use proxier::tables::{Tables, TablesError};
use tracing::{debug, warn};

use super::{FamilySync, log};
use crate::earplug::Earplug;
use crate::event::Happening;

/// How changes that others make to the rules come to be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The kernel tells. The canary is looked for all the same.
    Told,
    /// The rules are looked at whenever the canary is.
    Looks,
}

/// The chain whose absence tells that somebody flushed the tables.
pub(super) struct Canary {
    interval: Duration,
    /// The first one is made at once.
    next_look: Option<Instant>,
    exists: bool,
}

impl Canary {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, next_look: None, exists: false }
    }

    /// When it is to be looked for, and the rules where nobody tells of changes.
    pub(super) fn next_look(&self, now: Instant) -> Instant {
        self.next_look.unwrap_or(now)
    }
}

impl<T: Tables + Send> FamilySync<T> {
    /// Whether the kernel can tell of foreign changes to these rules; that may change with the tools.
    pub(crate) fn can_be_told(&self) -> bool {
        self.tables.layout() == Layout::Blocks
    }

    /// The kernel tells of foreign changes from here on.
    pub(crate) fn listen(&mut self) {
        self.notice = Notice::Told;
    }

    /// The ear may be closed while many rules are written.
    pub(crate) fn may_close_ear(&mut self, earplug: Arc<Earplug>) {
        self.earplug = Some(earplug);
    }

    /// The kernel told something. What the tools that ran for us did is no news.
    pub(crate) fn heard(&mut self, heard: Heard, now: Instant) {
        match heard {
            // What is told is of nf_tables.
            Heard::Suspicious(_) | Heard::Overrun if !self.can_be_told() => {}
            Heard::Suspicious(suspicion) if suspicion.family != self.family() => {}
            Heard::Suspicious(suspicion) if self.tables.wrote(suspicion.writer) => {}
            Heard::Suspicious(_) | Heard::Overrun => self.guard.suspect(now),
            Heard::Deaf => {
                warn!(ipFamily = %self.family(), "The kernel tells no more of foreign changes to the rules");
                self.notice = Notice::Looks;
                self.guard.suspect(now);
            }
        }
    }

    /// When to look for what somebody may have taken away; a sync that looks anyway is under way after a failure.
    pub(super) fn next_suspicion(&self) -> Option<Instant> {
        self.guard.next().filter(|_| self.proxier.installed().is_some())
    }

    pub(super) fn look_for_canary(&mut self, now: Instant) {
        self.canary.next_look = Some(now + self.canary.interval);
        self.look_at_addresses();
        match self.glimpse() {
            Ok(Glimpse::Changed) => self.guard.suspect(now),
            Ok(Glimpse::Unknown) => self.proxier.suspect(),
            Ok(Glimpse::Unchanged) => {}
            // A held lock says nothing about the rules.
            Err(error) => {
                warn!(ipFamily = %self.family(), err = %error, "Could not look for changes of the rules");
            }
        }
    }

    /// The look that is made in any case.
    fn glimpse(&mut self) -> Result<Glimpse, TablesError> {
        let existed = self.canary.exists;
        self.canary.exists = self.tables.has_canary()?;
        if !self.canary.exists {
            self.make_canary();
            return Ok(if existed { Glimpse::Changed } else { Glimpse::Unchanged });
        }
        match self.notice {
            Notice::Told if self.can_be_told() => Ok(Glimpse::Unchanged),
            Notice::Told | Notice::Looks => self.proxier.glimpse(&mut self.tables),
        }
    }

    fn make_canary(&mut self) {
        match self.tables.ensure_canary() {
            Ok(()) => self.canary.exists = true,
            Err(error) => {
                warn!(ipFamily = %self.family(), err = %error, "Could not make the canary chain");
            }
        }
    }

    /// Tells what somebody had taken away, and decides when the next look may be.
    pub(super) fn mended(&mut self, report: &Report, begin: Instant, end: Instant) {
        let since = self.guard.since();
        // Rules that were written by a look at everything may have been missing for a while, whatever else changed.
        let has_looked = report.kind == Kind::Full || report.loss.is_some();
        if has_looked && report.written.nat_rules > 0 && self.cause == Cause::Incremental {
            self.cause = Cause::AfterFlush;
        }
        let Some(loss) = &report.loss else {
            // After a failure everything is read back anyway, and nobody knows what was missing.
            if since.is_some() && report.kind == Kind::Full {
                self.guard.found(begin, end);
                self.make_canary();
            }
            return;
        };
        if loss.is_empty() {
            // The looks that are made in any case have their own pace.
            since.inspect(|_| self.guard.found_nothing(end));
            debug!(ipFamily = %self.family(), "Somebody changed rules near ours, nothing is missing");
            return;
        }
        self.guard.found(begin, end);
        self.remember(Cause::AfterFlush);
        // Whoever deletes chains may have deleted this one too.
        self.make_canary();
        log::loss(self.family(), loss, end - since.unwrap_or(begin));
        let happening = Happening::RulesMissing { family: self.family(), missing: loss.to_string() };
        self.outlook.events.tell(happening);
    }
}
