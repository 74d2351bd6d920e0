//! How many Services and endpoints a cluster has, and which addresses they have.
//!
//! Does not know how objects look.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The size of a cluster.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Scale {
    pub(crate) services: usize,
    /// Endpoints of all Services together.
    pub(crate) endpoints: usize,
}

/// The usual number of endpoints of a Service.
const EACH: usize = 5;

impl Scale {
    /// So many Services of five endpoints each.
    pub(crate) fn of(services: usize) -> Self {
        Self { services, endpoints: services * EACH }
    }

    /// Whether each Service has five endpoints.
    pub(crate) fn is_usual(self) -> bool {
        self == Self::of(self.services)
    }

    /// The numbers of a Service's endpoints; a Service beyond the size has the usual number.
    pub(crate) fn endpoints_of(self, service: usize) -> std::ops::Range<usize> {
        if service >= self.services {
            let first = self.endpoints + (service - self.services) * EACH;
            return first..first + EACH;
        }
        let first = |service| self.endpoints * service / self.services;
        first(service)..first(service + 1)
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (services, endpoints) = (grouped(self.services), grouped(self.endpoints));
        if self.is_usual() {
            write!(f, "{services} Services x {EACH} endpoints")
        } else {
            write!(f, "{services} Services, {endpoints} endpoints")
        }
    }
}

/// The cluster IP of a Service.
pub(crate) fn cluster_ip(service: usize) -> String {
    address("172", 16, service)
}

/// The address of an endpoint.
pub(crate) fn pod_ip(endpoint: usize) -> String {
    address("10", 1, endpoint)
}

/// The address of what comes in the place of a Service's first endpoint, for the so-manieth time.
pub(crate) fn replacement_ip(service: usize, time: usize) -> String {
    address("10", 100 + time % 100, service)
}

fn address(first: &str, second: usize, number: usize) -> String {
    format!("{first}.{}.{}.{}", second + number / 62_500, number / 250 % 250, number % 250 + 1)
}

/// A number with commas.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_shared_out_evenly() {
        let scale = Scale { services: 3, endpoints: 10 };
        let counts: Vec<_> = (0..4).map(|service| scale.endpoints_of(service)).collect();
        assert_eq!(counts, [0..3, 3..6, 6..10, 10..15]);
        assert_eq!(Scale::of(10_000).endpoints_of(9_999), 49_995..50_000);
        assert_eq!(scale.to_string(), "3 Services, 10 endpoints");
        assert_eq!(Scale::of(10_000).to_string(), "10,000 Services x 5 endpoints");
    }

    #[test]
    fn addresses_differ() {
        assert_eq!(pod_ip(0), "10.1.0.1");
        assert_eq!(pod_ip(249_999), "10.4.249.250");
        assert_eq!(cluster_ip(62_500), "172.17.0.1");
        assert_eq!(replacement_ip(7, 1), "10.101.0.8");
    }
}
