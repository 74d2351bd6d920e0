//! Turns services and endpoints into packet rules, and rules into what iptables-restore reads.
//!
//! Knows nothing of API servers, files of manifests and conntrack entries.

pub mod chain;
pub mod family;
pub mod option;
pub mod rule;
pub mod ruleset;
pub mod service;
