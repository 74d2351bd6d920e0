//! Turns services and endpoints into packet rules, and rules into what iptables-restore reads.
//!
//! Knows nothing of API servers, files of manifests and conntrack entries. A module uses only
//! modules above it; the last group is the edge.

pub mod chain;
mod digest;
pub mod family;

pub mod service;

pub mod endpoint;

pub mod topology;
pub mod world;

pub mod node;

pub mod option;
pub mod rule;

pub mod text;

pub mod ruleset;

pub mod render;

pub mod jump;

pub mod parse;
pub mod trace;

pub mod plan;

pub mod loss;

pub mod error_line;
pub mod tables;
pub mod version;

#[cfg(feature = "io")]
mod netlink;

#[cfg(feature = "io")]
mod generation;
#[cfg(feature = "io")]
pub mod retry;

pub mod backend;

pub mod proxier;

#[cfg(feature = "io")]
pub mod nfacct;

#[cfg(feature = "io")]
pub mod drift;

#[cfg(feature = "io")]
pub mod host;
#[cfg(feature = "io")]
pub mod iptables;

pub mod cleanup;
