//! Turns the refusals of one sync into a question, whether nearly all service ports are refused for the same reason, and
//! into its answer: then none of them is at fault.
//!
//! Pure. Knows nothing of how a culprit is found.

use std::collections::{BTreeMap, BTreeSet};

use crate::service::ServicePortName;

/// So many that are refused for the same reason give rise to the question.
const MANY: usize = 10;
/// So many others are tried to answer it.
const SAMPLE: usize = 10;

/// What is known of it in one sync.
#[derive(Debug, Default)]
pub(super) struct Alike {
    reasons: BTreeMap<String, usize>,
    question: Question,
}

#[derive(Debug, Default)]
enum Question {
    /// Not many have been refused.
    #[default]
    Unasked,
    /// Others are tried: these have not been refused so far for this reason.
    Asked { reason: String, sample: BTreeSet<ServicePortName> },
    /// Some are accepted, or refused for other reasons: to each its own.
    Settled,
}

impl Alike {
    /// One more is refused, with these words.
    pub(super) fn refused(&mut self, port: &ServicePortName, words: &str) {
        let reason = reason_in(words);
        if let Question::Asked { reason: asked, sample } = &mut self.question
            && sample.remove(port)
            && *asked != reason
        {
            self.question = Question::Settled;
        }
        *self.reasons.entry(reason).or_default() += 1;
    }

    /// These are accepted.
    pub(super) fn accepted(&mut self, ports: &BTreeSet<ServicePortName>) {
        if let Question::Asked { sample, .. } = &self.question
            && !sample.is_disjoint(ports)
        {
            self.question = Question::Settled;
        }
    }

    /// Whether the next refusal may give rise to the question.
    pub(super) fn is_near(&self) -> bool {
        matches!(self.question, Question::Unasked) && self.reasons.values().any(|count| count + 1 >= MANY)
    }

    /// Asks, if there is reason to, with those that are undecided of `all` service ports. Tells which of them are to be
    /// tried first.
    pub(super) fn ask(
        &mut self,
        undecided: &BTreeSet<ServicePortName>,
        all: usize,
    ) -> Option<BTreeSet<ServicePortName>> {
        let (reason, count) = self.reasons.iter().max_by_key(|(_, count)| **count)?;
        if !matches!(self.question, Question::Unasked) || *count < MANY {
            return None;
        }
        // Where others have been accepted before, those that come are at fault.
        if (undecided.len() + count) * 10 < all * 9 {
            self.question = Question::Settled;
            return None;
        }
        let distance = undecided.len().div_ceil(SAMPLE).max(1);
        let sample: BTreeSet<_> = undecided.iter().step_by(distance).cloned().collect();
        self.question = Question::Asked { reason: reason.clone(), sample: sample.clone() };
        Some(sample)
    }

    /// Whether all that were tried are refused for the same reason.
    pub(super) fn are_nearly_all(&self) -> bool {
        matches!(&self.question, Question::Asked { sample, .. } if sample.is_empty())
    }
}

/// What the tool said, without what depends on the rule that it said it of.
fn reason_in(words: &str) -> String {
    let depends = |word: &&str| word.contains("KUBE-") || word.bytes().any(|byte| byte.is_ascii_digit());
    words.split_whitespace().filter(|word| !depends(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use informer::object::{NamespacedName, Protocol};

    use super::*;

    fn port(number: usize) -> ServicePortName {
        let service = NamespacedName::new("ns", format!("web-{number:03}"));
        ServicePortName { service, port: "p".into(), protocol: Protocol::Tcp }
    }

    fn words(number: usize) -> String {
        format!(
            "line {number}: RULE_APPEND failed (No such file or directory): rule in chain KUBE-SEP-{number}"
        )
    }

    /// After so many refusals, what is tried of `undecided` ports, if there are `all`.
    fn asked(refusals: usize, undecided: usize, all: usize) -> (Alike, Option<BTreeSet<ServicePortName>>) {
        let mut alike = Alike::default();
        (0..refusals).for_each(|number| alike.refused(&port(number), &words(number)));
        let undecided = (refusals..refusals + undecided).map(port).collect();
        let sample = alike.ask(&undecided, all);
        (alike, sample)
    }

    #[test]
    fn a_reason_does_not_depend_on_the_rule() {
        assert_eq!(reason_in(&words(1)), reason_in(&words(23)));
        assert_ne!(reason_in(&words(1)), reason_in("line 1: RULE_APPEND failed (Invalid argument)"));
    }

    #[test]
    fn few_give_no_reason_to_ask() {
        assert_eq!(asked(9, 100, 109).1, None);
        assert!(!asked(9, 100, 109).0.are_nearly_all());
    }

    #[test]
    fn where_most_were_accepted_before_nobody_asks() {
        assert_eq!(asked(10, 70, 100).1, None);
        assert!(asked(10, 80, 100).1.is_some());
    }

    #[test]
    fn a_sample_decides() {
        let (mut alike, sample) = asked(10, 95, 105);
        let sample = sample.unwrap();
        assert_eq!(sample.len(), 10);
        for (number, port) in sample.iter().enumerate() {
            assert!(!alike.are_nearly_all());
            alike.refused(port, &words(number + 100));
        }
        assert!(alike.are_nearly_all());
        assert_eq!(alike.ask(&BTreeSet::from([port(50)]), 105), None, "it is asked once");
    }

    #[test]
    fn one_that_is_accepted_or_refused_for_another_reason_settles_it() {
        let (mut alike, sample) = asked(10, 1, 11);
        alike.accepted(&sample.unwrap());
        alike.refused(&port(10), &words(10));
        assert!(!alike.are_nearly_all());
        let (mut alike, _) = asked(10, 1, 11);
        alike.refused(&port(10), "unknown option");
        assert!(!alike.are_nearly_all());
    }

    #[test]
    fn nobody_is_left_to_ask() {
        assert!(asked(10, 0, 10).0.are_nearly_all());
        assert!(!asked(10, 0, 12).0.are_nearly_all());
    }
}
