//! A sync that goes on when a transaction is refused: finds who is refused, and applies all else.
//!
//! Knows nothing of what the rules mean.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::option::Host;
use crate::plan::{Applied, Blame, Counts, Fate, Installed, Suspect, Transaction};
use crate::render::{self, Context, RenderedPort};
use crate::service::ServicePortName;
use crate::tables::{Tables, TablesError};
use crate::world::Dirty;

use super::sieve::{Refused, Sieve};
use super::{Left, Proxier, Surroundings};

/// How many transactions may be refused in one sync. Fifty culprits among a thousand service ports take three
/// hundred where the tool does not name the line.
const MOST_REFUSALS: usize = 1000;
/// How many culprits one sync may find. Where there are more, it is not the Services that are at fault.
const MOST_CULPRITS: usize = 256;
/// How often others may change the tables while one sync looks for culprits; then the next one goes on.
const MOST_CHANGES: usize = 10;
/// Changes nothing. Nobody refuses it but a tool that fails whatever it is fed.
const NOTHING: &[u8] = b"*nat\nCOMMIT\n";

/// Something that the tools refuse, and that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whose rules.
    pub suspect: Suspect,
    /// The refused rule as it was fed to the tool; the first of all if the tool named none.
    pub rule: String,
    /// What the tool said.
    pub words: String,
}

/// What a sync did until all was applied that can be.
#[derive(Default)]
pub(super) struct Sifted {
    pub(super) rendered: usize,
    pub(super) written: Counts,
}

enum Outcome {
    Accepted(Installed),
    Refused(Refused),
}

impl Proxier {
    /// Applies all that the tools accept. What is decided about single service ports holds even if the rest fails, so
    /// it is kept until it is told.
    ///
    /// # Errors
    /// A tool failed, or refuses what does not depend on single service ports.
    pub(super) fn sift(
        &mut self,
        tables: &mut impl Tables,
        surroundings: &Surroundings,
        now: Instant,
        applied: Applied,
        dirty: Dirty,
    ) -> Result<(Installed, Sifted), TablesError> {
        let mut sieve = Sieve::new(applied, dirty, now);
        // Whatever becomes of those that had been refused, all else does not wait for it.
        sieve.wait(self.quarantine.due(now).cloned().map(Suspect::Port).collect());
        let before = self.quarantine.clone();
        let installed = self.apply_groups(tables, surroundings, &mut sieve);
        if sieve.alike.are_nearly_all() {
            self.quarantine = before;
            self.quarantine.accepted(&sieve.decided.accepted.iter().cloned().collect());
            sieve.decided.refused.clear();
        }
        self.untold.add(sieve.decided);
        Ok((installed?, sieve.result))
    }

    fn apply_groups(
        &mut self,
        tables: &mut impl Tables,
        surroundings: &Surroundings,
        sieve: &mut Sieve,
    ) -> Result<Installed, TablesError> {
        loop {
            match self.attempt(tables, surroundings, sieve)? {
                Outcome::Accepted(installed) => match sieve.next_group() {
                    true => sieve.applied = Some(Applied::Known(installed)),
                    false => return Ok(installed),
                },
                Outcome::Refused(refused) => self.narrow(tables, surroundings, sieve, refused)?,
            }
        }
    }

    fn attempt(
        &mut self,
        tables: &mut impl Tables,
        surroundings: &Surroundings,
        sieve: &mut Sieve,
    ) -> Result<Outcome, TablesError> {
        let applied = match sieve.applied.take() {
            Some(applied) => applied,
            None => Applied::Found(self.look(tables)?),
        };
        let transaction = self.transaction(&applied, surroundings, sieve);
        if transaction.is_empty() && (sieve.refusals > 0 || !sieve.waiting.is_empty()) {
            // Whoever was set aside is a suspect only if the tool works without them.
            tables.restore(NOTHING)?;
        }
        let is_changed = |line| transaction.commits_before(line) > 0;
        if !transaction.is_empty() {
            tables.attempt(&applied.attempt(&transaction));
        }
        let (error, is_changed) = match feed(tables, &transaction, sieve.is_speechless) {
            Ok(()) => {
                sieve.result.rendered += transaction.rendered().len();
                sieve.result.written += transaction.counts;
                sieve.alike.accepted(transaction.rendered());
                sieve.decided.accepted.extend(self.quarantine.accepted(transaction.rendered()));
                return Ok(Outcome::Accepted(applied.commit(transaction)));
            }
            Err((Step::Test, error)) => (error, false),
            Err((Step::Restore, error)) => {
                let line = line_of(&error);
                (error, line.is_none_or(is_changed))
            }
        };
        let TablesError::Refused { text, line, .. } = &error else { return Err(error) };
        sieve.is_speechless |= line.is_none();
        let blame = transaction.blame(&applied, *line);
        let rule = match (&blame, line, sieve.only_suspect()) {
            (Blame::One(_), Some(line), _) => transaction.line(*line),
            (_, _, Some(suspect)) => transaction.first_line_of(suspect, &applied),
            _ => String::new(),
        };
        let suspects = if sieve.alike.is_near() { transaction.suspects(&applied) } else { BTreeSet::new() };
        sieve.refused_on(applied, &transaction, is_changed);
        Ok(Outcome::Refused(Refused { blame, words: text.clone(), rule, suspects, error }))
    }

    fn transaction(&self, applied: &Applied, surroundings: &Surroundings, sieve: &Sieve) -> Transaction {
        let fate = |port: &RenderedPort| {
            let is_waiting = sieve.is_waiting(&Suspect::Port(port.name.clone()));
            let fate = self.quarantine.fate(port, sieve.now);
            if fate == Fate::Written && is_waiting { Fate::Kept } else { fate }
        };
        let mut in_use = self.quarantine.in_use(sieve.now);
        in_use.extend(sieve.waiting_chains().cloned());
        self.plan(applied, &sieve.dirty, Left { fate, before: sieve.before.as_ref(), in_use }, surroundings)
    }

    /// Decides what the next transaction leaves out.
    fn narrow(
        &mut self,
        tables: &mut impl Tables,
        surroundings: &Surroundings,
        sieve: &mut Sieve,
        refused: Refused,
    ) -> Result<(), TablesError> {
        if !sieve.is_verified {
            return self.verify(tables, sieve);
        }
        if sieve.refusals == 0 {
            tables.examine()?;
        }
        sieve.refusals += 1;
        if sieve.refusals > MOST_REFUSALS || sieve.decided.refused.len() >= MOST_CULPRITS {
            return Err(refused.error);
        }
        let culprit = match &refused.blame {
            Blame::One(culprit) => Some(culprit.clone()),
            Blame::AnyOf(_) | Blame::Nobody => sieve.only_suspect().cloned(),
        };
        if culprit.is_some() && self.was_changed(tables, sieve)? {
            sieve.changes += 1;
            return if sieve.changes > MOST_CHANGES { Err(refused.error) } else { Ok(()) };
        }
        match (culprit, sieve.group.take()) {
            (Some(culprit), group) => {
                sieve.group = group.map(|mut group| {
                    group.remove(&culprit);
                    group
                });
                if !self.hold(surroundings, sieve, &culprit, &refused) {
                    return Err(refused.error);
                }
                sieve.try_others(refused.suspects, self.world.services().map(|(_, ports)| ports.len()).sum());
                if sieve.alike.are_nearly_all() { Err(alike(refused.error)) } else { Ok(()) }
            }
            (None, Some(group)) if !group.is_empty() => {
                let half = group.len() / 2;
                sieve.waiting.push(group.iter().skip(half).cloned().collect());
                sieve.group = Some(group.into_iter().take(half).collect());
                Ok(())
            }
            (None, _) => sieve.set_aside(refused),
        }
    }

    /// Whatever was refused first is tried again with what is there.
    fn verify(&mut self, tables: &mut impl Tables, sieve: &mut Sieve) -> Result<(), TablesError> {
        let found = self.look(tables)?;
        sieve.decided.lost(sieve.missing_at(&found).unwrap_or_default());
        sieve.looked_up(found);
        sieve.is_verified = true;
        Ok(())
    }

    /// Looks whether others changed what a refused transaction was planned against: then nobody is to blame for the
    /// refusal, and the same is tried again with what is there.
    fn was_changed(&mut self, tables: &mut impl Tables, sieve: &mut Sieve) -> Result<bool, TablesError> {
        let found = self.look(tables)?;
        let loss = sieve.missing_at(&found);
        let was_changed = loss.is_some();
        // What is known is worth more, unless it is not known any more.
        if was_changed || !matches!(sieve.applied, Some(Applied::Known(_))) {
            sieve.looked_up(found);
        }
        loss.filter(|loss| !loss.is_empty()).into_iter().for_each(|loss| sieve.decided.lost(loss));
        Ok(was_changed)
    }

    /// Leaves it out from here on; false if there is nothing more of it to leave out.
    fn hold(
        &mut self,
        surroundings: &Surroundings,
        sieve: &mut Sieve,
        culprit: &Suspect,
        refused: &Refused,
    ) -> bool {
        let rendered = match culprit {
            Suspect::Port(name) => self.render(name, surroundings.host),
            Suspect::Chain(_) => None,
        };
        if !self.quarantine.hold(culprit, rendered.as_ref(), sieve.now) {
            return false;
        }
        let refusals = &mut sieve.decided.refused;
        if refusals.iter().all(|refusal| refusal.suspect != *culprit) {
            let Refused { rule, words, .. } = refused;
            if let Suspect::Port(name) = culprit {
                sieve.alike.refused(name, words);
            }
            let (rule, words) = (rule.clone(), words.clone());
            refusals.push(Refusal { suspect: culprit.clone(), rule, words });
        }
        true
    }

    fn render(&self, name: &ServicePortName, host: &Host) -> Option<RenderedPort> {
        let context = Context::of(&self.world, &self.options, host);
        render::service(&self.world, &name.service, &context).into_iter().find(|port| port.name == *name)
    }
}

/// At what a transaction failed.
enum Step {
    Test,
    Restore,
}

/// Feeds a transaction to the tool, after a test if the tool may not name the line that it refuses: a test changes nothing.
fn feed(
    tables: &mut impl Tables,
    transaction: &Transaction,
    is_speechless: bool,
) -> Result<(), (Step, TablesError)> {
    if transaction.is_empty() {
        return Ok(());
    }
    if is_speechless {
        tables.test(&transaction.input).map_err(|error| (Step::Test, error))?;
    }
    tables.restore(&transaction.input).map_err(|error| (Step::Restore, error))
}

fn line_of(error: &TablesError) -> Option<usize> {
    match error {
        TablesError::Refused { line, .. } => *line,
        TablesError::Busy { .. }
        | TablesError::Interrupted { .. }
        | TablesError::Missing { .. }
        | TablesError::Astray { .. }
        | TablesError::Unreadable { .. } => None,
    }
}

/// The error of a tool that refuses nearly all service ports for the same reason.
fn alike(error: TablesError) -> TablesError {
    match error {
        TablesError::Refused { command, text, line, context } => {
            let text = format!(
                "nearly all service ports are refused for the same reason, so none of them is at fault: {text}"
            );
            TablesError::Refused { command, text, line, context }
        }
        error @ (TablesError::Busy { .. }
        | TablesError::Interrupted { .. }
        | TablesError::Missing { .. }
        | TablesError::Astray { .. }
        | TablesError::Unreadable { .. }) => error,
    }
}
