//! Laws of what is refused alike: of nearly all nobody is left out, of some each is.

use super::*;
use crate::tables::fake::{Poison, RefusedBy};

/// As the tools of the two variants are.
const AS_THEY_ARE: [(RefusedBy, Layout); 4] = [
    (RefusedBy::Tool, Layout::Single),
    (RefusedBy::SpeechlessKernel, Layout::Single),
    (RefusedBy::Tool, Layout::Blocks),
    (RefusedBy::Kernel, Layout::Blocks),
];

/// A kernel that lacks what every service port needs refuses all of them.
#[test]
fn a_rule_that_all_have_is_nobodys_fault() {
    for (refused_by, layout) in AS_THEY_ARE {
        let mut stage = Stage::with_layout(Family::V4, layout);
        // Two changes make a Service.
        stage.apply(&history::thousand()[..2 * 120]);
        stage.tables.poisons = vec![Poison { text: "--to-destination".to_owned(), refused_by }];
        for _ in 0..2 {
            let error = stage.sync().unwrap_err();
            assert!(error.to_string().contains("none of them is at fault"), "{refused_by:?}: {error}");
            assert_eq!((stage.proxier.quarantine.len(), stage.proxier.next_try()), (0, None));
        }
        assert!(stage.tables.refusals <= 2 * 60, "{refused_by:?}: {}", stage.tables.refusals);
        stage.tables.poisons.clear();
        let report = stage.sync().unwrap();
        assert_eq!((report.refused.len(), report.quarantined), (0, 0));
        let mut fresh = Stage::with_layout(Family::V4, layout);
        fresh.apply(&history::thousand()[..2 * 120]);
        fresh.sync().unwrap();
        assert_eq!(stage.tables.tables, fresh.tables.tables);
    }
}

/// What is read back may be gone when it is written to: nobody is to blame, and one sync is enough.
#[test]
fn a_flush_between_a_look_and_the_write_is_nobodys_fault() {
    for layout in [Layout::Single, Layout::Blocks] {
        let mut stage = Stage::with_layout(Family::V4, layout);
        let changes = history::thousand();
        let (before, later) = changes[..2 * 40].split_at(2 * 20);
        stage.apply(before);
        stage.sync().unwrap();
        stage.proxier.suspect();
        stage.tables.flushed_after_looks = Some(1);
        stage.apply(later);
        let report = stage.sync().unwrap();
        assert_eq!((report.refused, report.quarantined), (Vec::new(), 0), "{layout:?}");
        let mut fresh = Stage::with_layout(Family::V4, layout);
        fresh.apply(&changes[..2 * 40]);
        fresh.sync().unwrap();
        assert_eq!(stage.tables.tables, fresh.tables.tables);
    }
}

/// Those that are installed show that the tool accepts such rules.
#[test]
fn a_batch_of_bad_ones_does_not_excuse_itself() {
    for (refused_by, layout) in AS_THEY_ARE {
        let mut stage = Stage::with_layout(Family::V4, layout);
        let changes = history::thousand();
        let (before, batch) = changes[..2 * 100].split_at(2 * 70);
        stage.apply(before);
        stage.sync().unwrap();
        stage.tables.poisons = vec![Poison { text: "ns/many07".to_owned(), refused_by }];
        stage.tables.poisons.push(Poison { text: "ns/many08".to_owned(), refused_by });
        stage.apply(batch);
        let report = stage.sync().unwrap();
        assert_eq!((report.refused.len(), report.quarantined), (20, 20), "{refused_by:?}");
        let mut fresh = Stage::with_layout(Family::V4, layout);
        fresh.apply(before);
        fresh.apply(&batch[2 * 20..]);
        fresh.sync().unwrap();
        assert_eq!(stage.tables.tables, fresh.tables.tables);
    }
}

/// Half of those that come are bad: the others are accepted, whatever the sample says.
#[test]
fn half_of_all_is_not_nearly_all() {
    for (refused_by, layout) in AS_THEY_ARE {
        let mut stage = Stage::with_layout(Family::V4, layout);
        let changes = &history::thousand()[..2 * 100];
        stage.apply(changes);
        let text = |ten: usize| format!("ns/many0{ten}");
        stage.tables.poisons = (0..5).map(|ten| Poison { text: text(ten), refused_by }).collect();
        let report = stage.sync().unwrap();
        assert_eq!((report.refused.len(), report.quarantined), (50, 50), "{refused_by:?}");
        let mut fresh = Stage::with_layout(Family::V4, layout);
        fresh.apply(&changes[2 * 50..]);
        fresh.sync().unwrap();
        assert_eq!(stage.tables.tables, fresh.tables.tables);
    }
}
