//! Turns a condition that will hold soon into its result, within a deadline.
//!
//! Does not know what is waited for.
#![expect(clippy::disallowed_methods, reason = "deadlines of tests are real time")]

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const PAUSE: Duration = Duration::from_millis(50);

/// Asks `check` until it succeeds, at least once and at most for `limit`.
///
/// # Errors
/// The last answer of `check`, if it still failed at the end, with the time waited.
pub fn until<T>(limit: Duration, mut check: impl FnMut() -> Result<T>) -> Result<T> {
    let watch = Watch::start();
    loop {
        match check() {
            Ok(value) => return Ok(value),
            Err(error) if watch.elapsed() >= limit => bail!(error.context(format!("after {watch}"))),
            Err(_) => sleep(PAUSE),
        }
    }
}

/// Measures how long something took.
#[derive(Clone, Copy, Debug)]
pub struct Watch(Instant);

impl Watch {
    /// Starts to measure.
    pub fn start() -> Self {
        Watch(Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

impl std::fmt::Display for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} s", self.elapsed().as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::ensure;

    #[test]
    fn asks_until_it_holds() {
        let mut asked = 0;
        let answer = until(Duration::from_secs(5), || {
            asked += 1;
            ensure!(asked == 3, "not yet");
            Ok("done")
        });
        assert_eq!(answer.unwrap(), "done");
    }

    #[test]
    fn says_what_was_missing() {
        let error = until(Duration::ZERO, || -> Result<()> { bail!("no rules") }).unwrap_err();
        assert_eq!(format!("{error:#}"), "after 0.0 s: no rules");
    }
}
