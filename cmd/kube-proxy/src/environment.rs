//! Turns environment variables that client-go knows into what they ask for.
//!
//! Reads no environment: whoever calls it says what a variable holds. Proxies are the API source's own business.

use std::time::Duration;

use config::{Gate, Gates};
use informer::api::{Initial, Timing, Versions};

use crate::flags;

/// A variable that says nothing that could be understood; it is ignored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Odd {
    /// One that holds a time.
    #[error("{variable}={value:?} is no number of seconds")]
    Seconds {
        /// The name.
        variable: &'static str,
        /// What it holds.
        value: String,
    },
    /// One that turns something on or off.
    #[error("{variable}={value:?} is neither true nor false")]
    Switch {
        /// The name.
        variable: &'static str,
        /// What it holds.
        value: String,
    },
}

/// The gate of client-go that changes what this program does, and its variable. Others are about encodings and
/// internals that it does not have.
const WATCH_LIST: (&str, Gate) = ("KUBE_FEATURE_WatchListClient", Gate::WatchListClient);

/// The gates, with what the environment says of client-go's where the configuration says nothing.
pub(crate) fn gates(gates: Gates, variable: impl Fn(&str) -> Option<String>) -> (Gates, Option<Odd>) {
    let (name, gate) = WATCH_LIST;
    let Some(value) = variable(name).filter(|value| !value.is_empty()) else { return (gates, None) };
    match flags::boolean(&value) {
        Ok(value) => (gates.with_default(gate, value), None),
        Err(_) => (gates, Some(Odd::Switch { variable: name, value })),
    }
}

/// How connections to the API server are kept and watched over.
pub(crate) fn timing(gates: &Gates, variable: impl Fn(&str) -> Option<String>) -> (Timing, Vec<Odd>) {
    let mut timing = Timing::default();
    if !gates.is_enabled(Gate::WatchListClient) {
        timing.initial = Initial::List;
    }
    let mut odd = Vec::new();
    for (name, place) in [
        ("HTTP2_READ_IDLE_TIMEOUT_SECONDS", &mut timing.ping_interval),
        ("HTTP2_PING_TIMEOUT_SECONDS", &mut timing.ping_timeout),
    ] {
        let Some(value) = variable(name).filter(|value| !value.is_empty()) else { continue };
        match value.parse() {
            Ok(seconds) => *place = Duration::from_secs(u64::from(u32::min(seconds, LONGEST))),
            Err(_) => odd.push(Odd::Seconds { variable: name, value }),
        }
    }
    // None is the default to clients in Go, not a ping that nobody can answer in time.
    if timing.ping_timeout.is_zero() {
        timing.ping_timeout = Timing::default().ping_timeout;
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

    fn of(set: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        |name| set.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
    }

    fn check(set: &[(&str, &str)]) -> (u64, u64, Versions, Vec<String>) {
        let (timing, odd) = timing(&Gates::default(), of(set));
        let odd = odd.iter().map(ToString::to_string).collect();
        (timing.ping_interval.as_secs(), timing.ping_timeout.as_secs(), timing.versions, odd)
    }

    #[test]
    fn a_gate_of_the_client_decides_on_streams_unless_the_configuration_does() {
        let gate = "WatchListClient".to_owned();
        let set = |value| Gates::new(&[(gate.clone(), value)].into()).unwrap().0;
        let beta_off = Gates::new(&[("AllBeta".to_owned(), false)].into()).unwrap().0;
        for (configured, variable, expected) in [
            (Gates::default(), None, Initial::Stream),
            (Gates::default(), Some("false"), Initial::List),
            (Gates::default(), Some("0"), Initial::List),
            (Gates::default(), Some(""), Initial::Stream),
            (set(false), None, Initial::List),
            (set(false), Some("true"), Initial::List),
            (set(true), Some("false"), Initial::Stream),
            (beta_off.clone(), None, Initial::List),
            (beta_off, Some("true"), Initial::Stream),
        ] {
            let environment: Vec<_> =
                variable.map(|value| ("KUBE_FEATURE_WatchListClient", value)).into_iter().collect();
            let (gates, odd) = gates(configured.clone(), of(&environment));
            assert_eq!(odd, None);
            assert_eq!(timing(&gates, |_| None).0.initial, expected, "{configured:?} {variable:?}");
        }
        let (gates, odd) = gates(Gates::default(), of(&[("KUBE_FEATURE_WatchListClient", "off")]));
        assert!(gates.is_enabled(Gate::WatchListClient));
        let odd = odd.unwrap().to_string();
        assert_eq!(odd, r#"KUBE_FEATURE_WatchListClient="off" is neither true nor false"#);
    }

    #[test]
    fn what_is_set_counts_and_what_is_odd_is_named() {
        let (idle, ping) = ("HTTP2_READ_IDLE_TIMEOUT_SECONDS", "HTTP2_PING_TIMEOUT_SECONDS");
        assert_eq!(check(&[]), (30, 15, Versions::All, vec![]));
        assert_eq!(check(&[(idle, "5"), (ping, "2")]), (5, 2, Versions::All, vec![]));
        assert_eq!(check(&[(idle, "0"), (ping, "")]), (0, 15, Versions::All, vec![]), "no pings");
        assert_eq!(check(&[(idle, "5"), (ping, "0")]), (5, 15, Versions::All, vec![]));
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
