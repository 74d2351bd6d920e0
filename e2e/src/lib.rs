//! The stage on which the real `kube-proxy` is tested: network namespaces, real packets, recorded rule sets.
//!
//! Knows the product only from outside: its flags, its files, the rules and packets that come of them.
//!
//! Everything here serves a test, where any failure has the same consequence, so errors are `anyhow` with context.

pub mod canonical;
pub mod command;
pub mod merge;
pub mod wait;

pub mod series;

pub mod backend;
pub mod choice;
pub mod faults;
pub mod netns;

pub mod manifests;
pub mod source;

pub mod proxy;

pub mod echo;
pub mod page;
pub mod request;

pub mod cluster;

pub mod flow;
pub mod packet_counter;

pub mod golden;

pub mod apiserver;
