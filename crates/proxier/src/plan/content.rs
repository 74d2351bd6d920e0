//! What tells the rules of a service port's chain from others.
//!
//! Knows nothing of how the rules are spelled: it is the same for those that were rendered and for those that came back
//! out of the kernel.

use crate::digest::digest;
use crate::rule::Rule;

/// A digest of rules in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Content(u64);

impl Content {
    /// Takes in the next rule.
    pub(super) fn add(&mut self, rule: &Rule) {
        self.0 = digest(&(self.0, rule.digest()));
    }

    /// Takes in the text of a rule that is never written here.
    pub(super) fn add_foreign(&mut self, text: &str) {
        self.0 = digest(&(self.0, text));
    }
}
