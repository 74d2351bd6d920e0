//! The stage for stories about UDP flows: clients that keep their socket, servers that remember what arrived, and the
//! node's conntrack table.
//!
//! Does not know which entries are stale: that is what the stories find out.

pub(crate) mod netlink;

pub mod queue;
pub mod stretch;
pub mod table;

pub mod crowd;

pub mod sender;
pub mod sink;

pub mod daemon;
pub mod service;

pub mod stage;
