//! Turns the cluster's Services, EndpointSlices and Nodes into a stream of typed changes.
//!
//! Knows nothing of rules, flows or this node's role: it says what is, not what follows from it.

pub mod address;
pub mod object;

pub mod change;
