//! Finds and deletes the UDP conntrack entries that contradict the service rules, and leaves all others alone.
//!
//! NAT is decided for the first packet of an entry. A UDP client that keeps its socket keeps its entry, and with it
//! a backend that is gone or no backend at all, until somebody deletes the entry. Modules are listed in the order
//! in which they use each other. The crate knows neither where the rules come from nor how they are written.

pub mod flow;
pub mod generation;
pub mod snapshot;

pub mod dirty;
pub mod doubt;
pub mod stale;

pub mod kernel;

pub mod fake;

pub mod filter;
pub mod report;

pub mod pass;

pub mod agenda;

#[cfg(feature = "io")]
pub mod wire;

#[cfg(feature = "io")]
pub mod netlink;
#[cfg(feature = "io")]
pub mod worker;

#[cfg(test)]
mod rehearsal;
#[cfg(test)]
mod sample;
