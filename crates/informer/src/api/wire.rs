//! Turns a server that can be asked into news, by the protocol and over HTTP.
//!
//! Connections, credentials, proxies, waits and limits. Knows nothing of what an answer means.

mod backoff;
mod bucket;
mod timing;

mod selection;

mod proxy;
mod stamp;

mod connection;
mod plugin;
mod transport;

mod live;
mod server;

mod reflect;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;

pub use backoff::Growth;
pub use connection::{ConnectError, Connection};
pub use server::{Exchange, Observation, Server};
pub use timing::{Timing, Versions};

use super::failure::Failure;
use super::resource::Resource;
use crate::change::{Batch, Change};
use selection::Selection;

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
pub async fn follow(server: &Server, node_name: &str, tell: impl FnMut(News) -> ControlFlow<()>) {
    follow_only(&[Resource::Node, Resource::Services, Resource::EndpointSlices], server, node_name, tell)
        .await;
}

/// The same of some resources.
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
