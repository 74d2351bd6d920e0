//! Turns rules that mean the same, written in different ways, into one rule.
//!
//! Knows nothing of how either way is spelled.

use std::borrow::Cow;

use crate::digest::{digest, unordered};
use crate::rule::{Address, Match, Rule, Target};

impl Rule {
    /// The form in which equal rules are equal values, whether they were rendered here or came back
    /// out of the kernel:
    ///
    /// * matches stand in a fixed order: first those on the packet's header, last those that count;
    /// * an address has its prefix length, is masked, and is absent if it holds for every packet;
    /// * of the numbers that make the kernel draw the same lots, [`Match::OneIn`] has a certain one:
    ///   the kernel keeps 31 bits of the probability, so that beyond some 40 000 several coincide;
    /// * a mark that sets no bits flips none.
    ///
    /// Such a rule can be written like any other.
    #[must_use]
    pub fn normal(mut self) -> Self {
        self.matches.retain(|condition| !holds_always(condition));
        for condition in &mut self.matches {
            if let Cow::Owned(normal) = self::condition(condition) {
                *condition = normal;
            }
        }
        self.matches.sort_by_key(rank);
        self.target = self.target.as_ref().map(target).cloned();
        self
    }

    /// The same for rules whose normal form is the same.
    pub(crate) fn digest(&self) -> u64 {
        let conditions = self.matches.iter().filter(|condition| !holds_always(condition));
        digest(&(unordered(conditions.map(condition)), self.target.as_ref().map(target)))
    }
}

fn condition(condition: &Match) -> Cow<'_, Match> {
    let normal = |address: &Address| Address { net: address.net.trunc(), bare: false, ..*address };
    match condition {
        Match::Source(address) => Cow::Owned(Match::Source(normal(address))),
        Match::Destination(address) => Cow::Owned(Match::Destination(normal(address))),
        Match::OneIn(n) => Cow::Owned(Match::OneIn(Lot::of(*n).choices().unwrap_or(*n))),
        Match::Comment(_)
        | Match::Protocol(_)
        | Match::DestinationPort(_)
        | Match::InInterface { .. }
        | Match::SourceLocal
        | Match::DestinationLocal
        | Match::Mark { .. }
        | Match::ConntrackState { .. }
        | Match::Nfacct(_)
        | Match::RecentCheck { .. }
        | Match::RecentSet { .. } => Cow::Borrowed(condition),
    }
}

fn target(target: &Target) -> &Target {
    if *target == Target::MarkOr(0) { &Target::MarkXor(0) } else { target }
}

/// The kernel keeps no address of length zero; negated, it holds for no packet and is kept.
fn holds_always(condition: &Match) -> bool {
    matches!(condition, Match::Source(address) | Match::Destination(address)
        if address.net.prefix_len() == 0 && !address.inverted)
}

fn rank(condition: &Match) -> u8 {
    match condition {
        Match::Source(_) => 0,
        Match::Destination(_) => 1,
        Match::InInterface { .. } => 2,
        Match::Protocol(_) => 3,
        Match::DestinationPort(_) => 4,
        Match::Comment(_) => 5,
        Match::SourceLocal => 6,
        Match::DestinationLocal => 7,
        Match::Mark { .. } => 8,
        Match::ConntrackState { .. } => 9,
        Match::RecentCheck { .. } => 10,
        Match::RecentSet { .. } => 11,
        Match::OneIn(_) => 12,
        Match::Nfacct(_) => 13,
    }
}

/// A probability as the kernel keeps it: in parts of 2^31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lot(u32);

impl Lot {
    const WHOLE: f64 = (1_u32 << 31) as f64;

    /// What a rule with [`Match::OneIn`] becomes: its text has ten decimals.
    pub(super) fn of(n: u32) -> Self {
        const DECIMALS: f64 = 1e10;
        Self::of_probability((DECIMALS / f64::from(n)).round_ties_even() / DECIMALS)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let probability: f64 = text.parse().ok()?;
        (0.0..=1.0).contains(&probability).then(|| Self::of_probability(probability))
    }

    fn of_probability(probability: f64) -> Self {
        Self((probability * Self::WHOLE).round() as u32)
    }

    /// A number that gives this lot, always the same; none if no number does.
    pub(super) fn choices(self) -> Option<u32> {
        if self.0 == 0 {
            return None;
        }
        let near = (Self::WHOLE / f64::from(self.0)).round() as u32;
        [near, near - 1, near.saturating_add(1)].into_iter().find(|n| *n > 0 && Self::of(*n) == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_survive_the_kernel() {
        for n in 1..=200_000 {
            let choices = Lot::of(n).choices().unwrap_or_else(|| panic!("no number draws like 1 in {n}"));
            assert_eq!(Lot::of(choices), Lot::of(n));
            assert!(n == choices || n > 40_000, "{n} becomes {choices}");
        }
    }

    #[test]
    fn lots_are_those_of_the_written_text() {
        for n in (1..200_000).step_by(37) {
            let text = format!("{:.10}", 1.0 / f64::from(n));
            assert_eq!(Lot::parse(&text), Some(Lot::of(n)), "{n}");
        }
    }

    #[test]
    fn other_probabilities_are_not_one_in_so_many() {
        for text in ["0.3", "0.99", "0", "0.0000000001"] {
            assert_eq!(Lot::parse(text).unwrap().choices(), None, "{text}");
        }
        for text in ["", "x", "-0.5", "1.5", "NaN", "inf"] {
            assert_eq!(Lot::parse(text), None, "{text}");
        }
    }
}
