//! Waits double up to a bound, start anew after a quiet time, and respect what a server asks for.
#![expect(
    clippy::disallowed_methods,
    reason = "an Instant can be had nowhere else; it is moved by hand from here"
)]

use std::time::{Duration, Instant};

use super::{Backoff, Growth};

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
fn doubles_to_thirty_seconds() {
    let mut backoff = Backoff::new(Growth::default());
    let now = Instant::now();
    let waits: Vec<f64> = (0..8).map(|_| backoff.after_failure(now, None, 0.0).as_secs_f64()).collect();
    assert_eq!(waits, [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]);
}

#[test]
fn chance_adds_up_to_as_much_again() {
    let now = Instant::now();
    for (chance, expected) in [(0.0, 0.8), (0.5, 1.2), (1.0, 1.6)] {
        assert_eq!(Backoff::new(Growth::default()).after_failure(now, None, chance), seconds(expected));
    }
}

#[test]
fn starts_anew_after_two_quiet_minutes() {
    let mut backoff = Backoff::new(Growth::default());
    let start = Instant::now();
    for _ in 0..7 {
        backoff.after_failure(start, None, 0.0);
    }
    // The quiet time counts from the end of the last wait.
    assert_eq!(backoff.after_failure(start + seconds(149.0), None, 0.0), seconds(30.0));
    assert_eq!(backoff.after_failure(start + seconds(149.0 + 30.0 + 121.0), None, 0.0), seconds(0.8));
}

#[test]
fn a_server_that_asks_for_more_gets_it_within_reason() {
    let now = Instant::now();
    for (asked, expected) in [(0.0, 0.8), (0.5, 0.8), (7.0, 7.0), (86400.0, 120.0)] {
        let wait = Backoff::new(Growth::default()).after_failure(now, Some(seconds(asked)), 0.0);
        assert_eq!(wait, seconds(expected), "asked for {asked} s");
    }
    let wait = Backoff::new(Growth::default()).after_failure(now, Some(seconds(10.0)), 1.0);
    assert!(wait > seconds(10.0) && wait <= seconds(11.0), "{wait:?}");
}
