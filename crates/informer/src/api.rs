//! Turns an API server into news of Services, EndpointSlices and this Node.
//!
//! The edge to the cluster. Whatever happens on the way, those who listen are told what is so, and
//! never that something is gone which is not. Knows nothing of what the objects are good for.
//!
//! The protocol is in [`watch`] and what it uses, without a wire, and behind the feature `protocol`; the rest puts it on
//! the wire.

mod backoff;
#[cfg(feature = "api")]
mod bucket;
mod event;
mod failure;
mod list;
mod resource;
mod timing;

mod decode;
mod known;

mod gathered;
mod watch;

mod rehearsal;

#[cfg(feature = "api")]
mod proxy;
#[cfg(feature = "api")]
mod stamp;

#[cfg(feature = "api")]
mod connection;
#[cfg(feature = "api")]
mod plugin;
#[cfg(feature = "api")]
mod transport;

#[cfg(feature = "api")]
mod live;
#[cfg(feature = "api")]
mod server;

#[cfg(feature = "api")]
mod reflect;

#[cfg(feature = "api")]
use std::collections::BTreeSet;
#[cfg(feature = "api")]
use std::ops::ControlFlow;
use std::time::Duration;

#[cfg(feature = "api")]
use futures_util::future::join_all;
#[cfg(feature = "api")]
use tokio::sync::mpsc;

pub use backoff::Growth;
#[cfg(feature = "api")]
pub use connection::{ConnectError, Connection};
pub use event::Status;
pub use failure::Failure;
pub use rehearsal::Rehearsal;
pub use resource::Resource;
#[cfg(feature = "api")]
pub use server::{Exchange, Observation, Server};
pub use timing::{Initial, Timing, Versions};

use crate::change::Batch;
#[cfg(feature = "api")]
use crate::change::Change;
#[cfg(feature = "api")]
use resource::Selection;

/// What became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Objects are different, or cannot be used.
    Batch(Batch),
    /// All that existed of this resource at the start has been told, perhaps nothing. Said once.
    Listed(Resource),
    /// A request came to nothing, or a watch broke off; what was told stays so.
    Trouble {
        /// What was asked for.
        resource: Resource,
        /// What went wrong.
        failure: Failure,
        /// When it is tried again.
        retry_in: Duration,
    },
}

/// Tells everything about Services, EndpointSlices and the Node `node_name`, and from then on what
/// changes, until `tell` breaks. Each resource is told of by itself; [`Change::Synced`] comes once,
/// when all three are complete.
///
/// Never gives up: a server that is not there, or not any more, is tried again and again.
#[cfg(feature = "api")]
pub async fn follow(server: &Server, node_name: &str, tell: impl FnMut(News) -> ControlFlow<()>) {
    follow_only(&[Resource::Node, Resource::Services, Resource::EndpointSlices], server, node_name, tell)
        .await;
}

/// The same of some resources.
#[cfg(feature = "api")]
pub async fn follow_only(
    resources: &[Resource],
    server: &Server,
    node_name: &str,
    mut tell: impl FnMut(News) -> ControlFlow<()>,
) {
    let (sender, mut receiver) = mpsc::channel(1);
    let reflectors = join_all(resources.iter().map(|resource| {
        let selection = Selection::of(*resource, node_name);
        reflect::reflect(server, selection, sender.clone())
    }));
    drop(sender);
    let listen = async {
        let mut missing = BTreeSet::from_iter(resources.iter().copied());
        while let Some(news) = receiver.recv().await {
            let completes = matches!(&news, News::Listed(resource) if missing.remove(resource));
            tell(news)?;
            if completes && missing.is_empty() {
                tell(News::Batch(Batch { changes: vec![Change::Synced], ..Batch::default() }))?;
            }
        }
        ControlFlow::Continue(())
    };
    tokio::select! {
        _ = reflectors => {}
        _ = listen => {}
    }
}
