//! Turns environment variables that client-go knows into what they ask for.
//!
//! Reads no environment: whoever calls it says what a variable holds. Proxies are the API source's own business.

use std::time::Duration;

use informer::api::{Timing, Versions};

/// A variable that says nothing that could be understood; it is ignored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}={value:?} is no number of seconds")]
pub(crate) struct Odd {
    variable: &'static str,
    value: String,
}

/// How connections to the API server are kept and watched over.
pub(crate) fn timing(variable: impl Fn(&str) -> Option<String>) -> (Timing, Vec<Odd>) {
    let mut timing = Timing::default();
    let mut odd = Vec::new();
    for (name, place) in [
        ("HTTP2_READ_IDLE_TIMEOUT_SECONDS", &mut timing.ping_interval),
        ("HTTP2_PING_TIMEOUT_SECONDS", &mut timing.ping_timeout),
    ] {
        let Some(value) = variable(name).filter(|value| !value.is_empty()) else { continue };
        match value.parse() {
            Ok(seconds) => *place = Duration::from_secs(u64::from(u32::min(seconds, LONGEST))),
            Err(_) => odd.push(Odd { variable: name, value }),
        }
    }
    if variable("DISABLE_HTTP2").is_some_and(|value| !value.is_empty()) {
        timing.versions = Versions::One;
    }
    (timing, odd)
}

/// A day, in seconds: longer is for ever, and must not overflow a timer.
const LONGEST: u32 = 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(set: &[(&str, &str)]) -> (u64, u64, Versions, Vec<String>) {
        let (timing, odd) = timing(|name| {
            set.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        });
        let odd = odd.iter().map(ToString::to_string).collect();
        (timing.ping_interval.as_secs(), timing.ping_timeout.as_secs(), timing.versions, odd)
    }

    #[test]
    fn what_is_set_counts_and_what_is_odd_is_named() {
        let (idle, ping) = ("HTTP2_READ_IDLE_TIMEOUT_SECONDS", "HTTP2_PING_TIMEOUT_SECONDS");
        assert_eq!(check(&[]), (30, 15, Versions::All, vec![]));
        assert_eq!(check(&[(idle, "5"), (ping, "2")]), (5, 2, Versions::All, vec![]));
        assert_eq!(check(&[(idle, "0"), (ping, "")]), (0, 15, Versions::All, vec![]), "no pings");
        assert_eq!(check(&[("DISABLE_HTTP2", "")]), (30, 15, Versions::All, vec![]));
        assert_eq!(
            check(&[("DISABLE_HTTP2", "false")]),
            (30, 15, Versions::One, vec![]),
            "as client-go reads it"
        );
        let odd = r#"HTTP2_READ_IDLE_TIMEOUT_SECONDS="5s" is no number of seconds"#;
        assert_eq!(
            check(&[(idle, "5s"), (ping, "9999999")]),
            (30, 86400, Versions::All, vec![odd.to_owned()])
        );
    }
}
