//! Turns the cluster's Services, EndpointSlices and Nodes into a stream of typed changes.
//!
//! Knows nothing of rules, flows or this node's role: it says what is, not what follows from it.

pub mod address;
pub mod object;

pub mod change;

pub mod cache;

mod yaml;

mod document;

mod default;
mod mirror;

pub mod manifest;

#[cfg(feature = "io")]
pub mod directory;

#[cfg(feature = "protocol")]
#[cfg_attr(not(feature = "api"), expect(dead_code, reason = "what only the wire needs"))]
pub mod api;
