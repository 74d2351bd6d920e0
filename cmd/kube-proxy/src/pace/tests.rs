//! The pace over virtual time: lone changes, storms, failures.

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

fn pace() -> (Pace, Instant) {
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    let now = Instant::now();
    (Pace::new(SECOND), now)
}

#[test]
fn a_lone_change_is_not_delayed() {
    let (mut pace, now) = pace();
    assert_eq!(pace.next(), None);
    pace.ask(now);
    assert_eq!(pace.next(), Some(now));
    pace.succeeded(now, now);
    assert_eq!(pace.next(), None);
    pace.ask(now + 5 * SECOND);
    assert_eq!(pace.next(), Some(now + 5 * SECOND));
}

#[test]
fn a_change_waits_for_others_a_small_part_of_what_a_sync_takes() {
    let (mut pace, now) = pace();
    for (took, silence) in [(0, 1), (16, 1), (96, 6), (4_000, 10)] {
        pace.succeeded(now, now + took * MILLISECOND);
        let silence = silence * MILLISECOND;
        assert_eq!(pace.gathering(), Gathering { silence, at_most: 10 * silence }, "{took} ms");
    }
}

#[test]
fn syncs_keep_their_distance() {
    let (mut pace, now) = pace();
    pace.succeeded(now, now);
    pace.ask(now + SECOND / 10);
    pace.ask(now + SECOND / 2);
    assert_eq!(pace.next(), Some(now + SECOND));
}

#[test]
fn a_slow_sync_is_followed_by_as_long_a_rest_within_limits() {
    for (took, rest) in [(SECOND / 5, SECOND), (3 * SECOND, 3 * SECOND), (60 * SECOND, LONGEST_REST)] {
        let (mut pace, now) = pace();
        let end = now + took;
        pace.succeeded(now, end);
        pace.ask(end);
        assert_eq!(pace.next(), Some(end + rest), "after {took:?}");
        pace.failed(now, end);
        pace.ask(end);
        assert!(pace.next().unwrap() <= end + rest, "after {took:?}");
    }
}

#[test]
fn retries_double_up_to_half_a_minute() {
    let (mut pace, now) = pace();
    let waits: Vec<_> = (0..10)
        .map(|_| {
            pace.failed(now, now);
            pace.next().unwrap() - now
        })
        .collect();
    let expected = [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000];
    assert_eq!(waits, expected.map(Duration::from_millis));
    pace.succeeded(now, now);
    assert_eq!(pace.next(), None);
}

#[test]
fn a_slow_sync_is_not_retried_sooner_than_it_took_within_limits() {
    for (took, waits) in [(300, [300, 400, 800]), (3_000, [3_000; 3]), (60_000, [5_000; 3])] {
        let (mut pace, now) = pace();
        let end = now + took * MILLISECOND;
        for wait in waits {
            pace.failed(now, end);
            assert_eq!(pace.next(), Some(end + wait * MILLISECOND), "after {took} ms");
        }
        // Later on the back-off is longer.
        (waits.len()..8).for_each(|_| pace.failed(now, end));
        assert_eq!(pace.next(), Some(end + 25_600 * MILLISECOND), "after {took} ms");
    }
}

#[test]
fn a_change_shortens_a_long_wait() {
    let (mut pace, now) = pace();
    (0..9).for_each(|_| pace.failed(now, now));
    pace.ask(now);
    assert_eq!(pace.next(), Some(now + SECOND));
}

/// What ten minutes of changes come to.
struct Storm {
    syncs: u32,
    /// Time spent in syncs.
    busy: Duration,
    lasted: Duration,
    /// The longest time between a change and the end of the sync that took it in.
    longest_wait: Duration,
}

/// A change every 10 ms for ten minutes, and syncs that take `took`.
fn storm(min_interval: Duration, took: Duration) -> Storm {
    let (_, start) = pace();
    let mut pace = Pace::new(min_interval);
    let mut storm =
        Storm { syncs: 0, busy: Duration::ZERO, lasted: Duration::ZERO, longest_wait: Duration::ZERO };
    let (mut now, mut oldest) = (start, None);
    while now < start + 600 * SECOND {
        oldest.get_or_insert(now);
        pace.ask(now);
        if pace.next().is_some_and(|due| due <= now) {
            let end = now + took;
            pace.succeeded(now, end);
            let waited = oldest.take().map_or(Duration::ZERO, |change| end - change);
            storm.longest_wait = storm.longest_wait.max(waited);
            storm.syncs += 1;
            storm.busy += took;
            // The first change during the sync waits for the next one.
            oldest = Some(now + 10 * MILLISECOND);
            now = end;
        }
        now += 10 * MILLISECOND;
    }
    storm.lasted = now - start;
    storm
}

#[test]
fn a_storm_leaves_the_lock_to_others_and_no_change_waits_for_long() {
    for min_interval in [Duration::ZERO, SECOND] {
        for took in [MILLISECOND * 10, MILLISECOND * 150, SECOND, 4 * SECOND, 8 * SECOND] {
            let storm = storm(min_interval, took);
            let rest = min_interval.max(took.min(LONGEST_REST));
            let case = format!("minSyncPeriod {min_interval:?}, syncs of {took:?}");
            assert!(storm.syncs > 10, "{case}: {} syncs", storm.syncs);
            let rests = rest * (storm.syncs - 1);
            assert!(storm.busy + rests <= storm.lasted + took, "{case}: busy for {:?}", storm.busy);
            if took <= LONGEST_REST {
                assert!(storm.busy <= storm.lasted / 2 + took, "{case}: busy for {:?}", storm.busy);
            }
            // It came just after one began; that one, the rest, and the one that takes it in.
            let bound = took + rest + took + 20 * MILLISECOND;
            assert!(storm.longest_wait <= bound, "{case}: a change waited for {:?}", storm.longest_wait);
        }
    }
}
