//! Turns an API server into news of Services, EndpointSlices and this Node.
//!
//! The edge to the cluster. Whatever happens on the way, those who listen are told what is so, and
//! never that something is gone which is not. Knows nothing of what the objects are good for.
//!
//! The protocol is in `watch` and what it uses, without a wire; `wire` speaks it, behind the feature `api`.

mod ask;
mod event;
mod failure;
mod list;
mod resource;

mod decode;
mod known;

mod gathered;
mod watch;

mod rehearsal;

#[cfg(test)]
mod brief;

#[cfg(feature = "api")]
mod wire;

pub use ask::Initial;
pub use event::Status;
pub use failure::Failure;
pub use rehearsal::Rehearsal;
pub use resource::Resource;
#[cfg(feature = "api")]
pub use wire::{
    ConnectError, Connection, Exchange, Growth, News, Observation, Server, Timing, Versions, follow,
    follow_only,
};
