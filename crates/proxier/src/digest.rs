//! Turns values into 64 bits by which they are told apart.
//!
//! Knows nothing of what the values mean. Digests are of use to this process only: the next one makes others, so that
//! nobody can prepare different values with the same digest.

use std::hash::{BuildHasher, Hash};

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;

/// Equal values have equal digests.
pub(crate) fn digest(value: &(impl Hash + ?Sized)) -> u64 {
    SeedableRandomState::with_seed(0, SharedSeed::global_random()).hash_one(value)
}

/// A digest of these values in whatever order.
pub(crate) fn unordered<T: Hash>(values: impl IntoIterator<Item = T>) -> u64 {
    values.into_iter().map(|value| digest(&value)).fold(0, u64::wrapping_add)
}
