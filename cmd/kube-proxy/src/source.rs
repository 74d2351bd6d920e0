//! Where the cluster's state comes from: a thread that sends changes to the loop.
//!
//! Knows nothing of what the loop does with them.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use informer::api::{self, ConnectError, Connection, News, Observation, Resource, Server, Timing};
use informer::change::Batch;
use informer::directory;
use tokio::runtime::{Builder, Runtime};
use tracing::{error, info, warn};

use crate::event::{Patience, Queue};
use crate::metrics::RestMetrics;
use crate::sync::Wake;

/// Where Services, EndpointSlices and the Node are read.
pub(crate) enum Source {
    /// A directory of manifests.
    Manifests(PathBuf),
    /// An API server.
    Api(Connection, Box<Timing>),
}

/// What is wanted of an API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Everything that rules are made of.
    Everything,
    /// This Node.
    Node,
}

impl Interest {
    fn resources(self) -> &'static [Resource] {
        match self {
            Self::Everything => &[Resource::Node, Resource::Services, Resource::EndpointSlices],
            Self::Node => &[Resource::Node],
        }
    }
}

impl Source {
    /// Follows the source until the receiver is gone, and posts `events` where it is an API server. The
    /// thread ends with the process.
    ///
    /// # Errors
    /// The API server's kubeconfig cannot be used, or no thread could be started.
    pub(crate) fn follow(
        self,
        interest: Interest,
        node_name: &str,
        rest: RestMetrics,
        wakes: Sender<Wake>,
        events: Queue,
    ) -> Result<()> {
        match self {
            Self::Manifests(path) => follow_directory(path, wakes),
            Self::Api(connection, timing) => {
                let connect = Server::connect(connection, *timing, move |seen| observe(seen, &rest));
                follow_api(connect, interest.resources(), node_name.to_owned(), wakes, events)
            }
        }
    }
}

fn follow_directory(path: PathBuf, wakes: Sender<Wake>) -> Result<()> {
    let (never, held) = io::pipe().context("can't make a pipe")?;
    let follow = move || {
        let _held = held;
        let ended = directory::watch(&path, never, |batch| deliver(batch, &wakes));
        if let Err(error) = ended.with_context(|| format!("can't follow {}", path.display())) {
            // Without a source nothing would ever change again.
            let _gone = wakes.send(Wake::Failed(error));
        }
    };
    spawn("manifests", follow)
}

/// On a thread of its own: decoding a large list must not delay anything else.
fn follow_api(
    connect: impl Future<Output = Result<Server, ConnectError>>,
    resources: &'static [Resource],
    node_name: String,
    wakes: Sender<Wake>,
    events: Queue,
) -> Result<()> {
    let runtime: Runtime = Builder::new_current_thread().enable_all().build().context("can't start tokio")?;
    let server = runtime.block_on(connect)?;
    for doubt in runtime.block_on(server.doubts()) {
        error!(err = doubt, "The connection to the API server is not set up as it should be");
    }
    let work = async move {
        let follow = api::follow_only(resources, &server, &node_name, |news| tell(news, &wakes));
        tokio::join!(follow, events.post(&server, Patience::default()));
    };
    spawn("api", move || runtime.block_on(work))
}

/// A request that waited longer for its turn is worth a line.
const LONG_WAIT: Duration = Duration::from_secs(1);

fn observe(seen: Observation<'_>, rest: &RestMetrics) {
    match seen {
        Observation::Exchange(exchange) => {
            rest.requested(exchange);
            if exchange.waited > LONG_WAIT {
                info!(waited = ?exchange.waited, method = %exchange.method, "A request waited for its turn (qps and burst)");
            }
        }
        Observation::Unreadable(error) => {
            error!(err = %error, "Can't read the credentials anew; those from before stay in use");
        }
        Observation::Waiting(waited) => {
            warn!(waited = ?waited, "Credentials are not there yet: a credential plugin or a file system is slow");
        }
    }
}

fn tell(news: News, wakes: &Sender<Wake>) -> ControlFlow<()> {
    match news {
        News::Batch(batch) => return deliver(batch, wakes),
        News::Listed(resource) => {
            info!(v = 3, resource = %resource, "Caches are synced");
            if resource == Resource::Node && wakes.send(Wake::NodeListed).is_err() {
                return ControlFlow::Break(());
            }
        }
        News::Trouble { resource, failure, retry_in } => {
            warn!(resource = %resource, err = %failure, retryIn = ?retry_in, "Watching failed; what is known stays");
        }
    }
    ControlFlow::Continue(())
}

fn deliver(batch: Batch, wakes: &Sender<Wake>) -> ControlFlow<()> {
    match wakes.send(Wake::Changed(batch)) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).context("can't start a thread")?;
    Ok(())
}
