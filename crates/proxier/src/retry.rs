//! EDGE: asks again what may have failed in passing, as a tool does that could not be started or that met a lock.
//!
//! Knows nothing of what is asked, nor of how long an answer may take.

use std::thread;
use std::time::Duration;

/// How often something is asked.
const TIMES: usize = 3;
/// The usual wait between two times.
pub const PAUSE: Duration = Duration::from_secs(1);

/// The first answer that is final, or else the third; `pause` is between them.
pub fn up_to_three_times<T>(pause: Duration, mut ask: impl FnMut() -> T, is_final: impl Fn(&T) -> bool) -> T {
    let mut answer = ask();
    for _ in 1..TIMES {
        if is_final(&answer) {
            break;
        }
        thread::sleep(pause);
        answer = ask();
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::up_to_three_times;

    #[test]
    fn the_first_final_answer_counts_or_else_the_last() {
        for (end, expected) in [(1, 1), (2, 2), (3, 3), (9, 3)] {
            let mut asked = 0;
            let ask = || {
                asked += 1;
                asked
            };
            assert_eq!(up_to_three_times(Duration::ZERO, ask, |answer| *answer == end), expected, "{end}");
            assert_eq!(asked, expected, "{end}: nobody is asked further");
        }
    }
}
