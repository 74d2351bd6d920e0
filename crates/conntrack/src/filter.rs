//! Chooses what to dump for the families that are due, so that no dump keeps a CPU for long.
//!
//! Learns from each dump how much of the table is UDP; asks the kernel nothing itself.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::flow::Family;
use crate::kernel::{Count, Scope};

/// What is known about filtering on this machine.
#[derive(Clone, Debug, Default)]
pub struct Filtering {
    refused: bool,
    udp_share: BTreeMap<Family, f64>,
}

/// How long a CPU may be kept in one stretch.
const LONGEST_STRETCH: Duration = Duration::from_millis(20);
/// Time the kernel needs to walk over one entry.
const WALK_SECONDS: f64 = 0.3e-6;
/// Time it needs for a hash bucket without any.
const BUCKET_SECONDS: f64 = 20e-9;
/// UDP entries that fill one read buffer, at which point the kernel gives the CPU back.
const ENTRIES_PER_BUFFER: f64 = 16_384.0 / 190.0;

impl Filtering {
    /// The dumps to make for these families in a table of this size, and which families each serves.
    ///
    /// A dump without filter shows both families, so one serves both. One that is only restricted to a family would
    /// keep the CPU as long as a filtered one where that family is rare.
    pub fn choose(&self, families: &[Family], count: Count) -> BTreeMap<Scope, Vec<Family>> {
        let fits = |family: &Family| self.stretch(*family, count) <= LONGEST_STRETCH;
        if self.refused || !families.iter().all(fits) {
            return BTreeMap::from([(Scope::Everything, families.to_vec())]);
        }
        families.iter().map(|family| (Scope::Udp(*family), vec![*family])).collect()
    }

    /// The longest time for which a dump restricted to UDP of this family would keep a CPU.
    pub fn stretch(&self, family: Family, count: Count) -> Duration {
        let share = self.udp_share.get(&family).copied().unwrap_or(match family {
            Family::V4 => 0.05,
            Family::V6 => 0.0,
        });
        let (entries, buckets) =
            (f64::from(count.entries), count.buckets.map_or(0.0, |it| f64::from(it.get())));
        let walked = (ENTRIES_PER_BUFFER / share).min(entries);
        let part = if count.entries == 0 { 1.0 } else { walked / entries };
        Duration::from_secs_f64(walked * WALK_SECONDS + part * buckets * BUCKET_SECONDS)
    }

    /// Takes note that a dump showed so many UDP entries of a family in a table of `entries`. A small table, which is
    /// always filtered, tells nothing of the big one that it may become.
    pub fn learn(&mut self, family: Family, udp: u64, entries: u32) {
        if f64::from(entries) * WALK_SECONDS > LONGEST_STRETCH.as_secs_f64() {
            self.udp_share.insert(family, udp as f64 / f64::from(entries));
        }
    }

    /// Takes note that the kernel refuses the filter but not a dump without it.
    pub fn learn_refusal(&mut self) {
        self.refused = true;
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const BOTH: [Family; 2] = [Family::V4, Family::V6];

    fn table(entries: u32, buckets: u32) -> Count {
        Count { entries, buckets: NonZeroU32::new(buckets) }
    }

    #[test]
    fn small_tables_are_always_filtered() {
        let scopes = Filtering::default().choose(&BOTH, table(66_000, 0));
        assert_eq!(
            scopes.keys().copied().collect::<Vec<_>>(),
            [Scope::Udp(Family::V4), Scope::Udp(Family::V6)]
        );
    }

    #[test]
    fn big_tables_with_little_of_a_family_are_dumped_whole_once_for_both() {
        const BIG: Count = Count { entries: 1_000_000, buckets: NonZeroU32::new(262_144) };
        let mut filtering = Filtering::default();
        let everything = BTreeMap::from([(Scope::Everything, BOTH.to_vec())]);
        assert_eq!(filtering.choose(&BOTH, BIG), everything);
        let v4 = BTreeMap::from([(Scope::Udp(Family::V4), vec![Family::V4])]);
        assert_eq!(filtering.choose(&[Family::V4], BIG), v4);
        filtering.learn(Family::V6, 100_000, 1_000_000);
        assert_eq!(filtering.choose(&BOTH, BIG).len(), 2);
        assert!(filtering.stretch(Family::V6, BIG) < Duration::from_millis(1));
        filtering.learn(Family::V4, 3, 1_000_000);
        assert_eq!(filtering.choose(&BOTH, BIG), everything);
    }

    #[test]
    fn empty_buckets_take_time_too() {
        let stretch = |family, count| Filtering::default().stretch(family, count);
        assert_eq!(stretch(Family::V6, table(0, 1_000_000)), LONGEST_STRETCH);
        assert_eq!(stretch(Family::V6, table(50_000, 250_000)), LONGEST_STRETCH);
        // A buffer is full long before the end.
        assert!(stretch(Family::V4, table(50_000, 250_000)) < LONGEST_STRETCH / 20);
        assert_eq!(Filtering::default().choose(&BOTH, table(66_000, 262_144)).len(), 1);
    }

    #[test]
    fn a_refused_filter_is_not_asked_for_again() {
        let mut filtering = Filtering::default();
        filtering.learn_refusal();
        assert_eq!(
            filtering.choose(&BOTH, table(10, 0)),
            BTreeMap::from([(Scope::Everything, BOTH.to_vec())])
        );
    }

    #[test]
    fn small_tables_teach_nothing_of_big_ones() {
        let mut filtering = Filtering::default();
        for entries in [0, 1, 60_000] {
            filtering.learn(Family::V4, 0, entries);
            assert!(filtering.stretch(Family::V4, table(200_000, 0)) < LONGEST_STRETCH, "after {entries}");
        }
        filtering.learn(Family::V4, 0, 70_000);
        assert!(filtering.stretch(Family::V4, table(200_000, 0)) > LONGEST_STRETCH);
    }
}
