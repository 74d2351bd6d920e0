//! One who listens to an API server: what it was told, and what it knows from that.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use e2e::apiserver::{ApiServer, Fault, Kind, Options, Rule, Verb};
use e2e::wait;
use informer::api::{
    Connection, Exchange, Failure, Growth, Initial, News, Observation, Server, Timing, Versions, follow,
};
use informer::change::Change;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::objects::{node, service, slice};

/// Longest wait of a test; a machine that does much else is slow.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// What was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// What follows from all changes: kind and name, and what matters of the object here.
    pub(crate) known: BTreeMap<String, String>,
    /// All changes in their order.
    pub(crate) changes: Vec<String>,
    /// How often everything was said to have been told.
    pub(crate) synced: usize,
    pub(crate) failures: Vec<Failure>,
    pub(crate) complaints: Vec<String>,
    pub(crate) exchanges: Vec<Exchange>,
    /// Why credentials could not be read anew.
    pub(crate) unreadable: Vec<String>,
}

impl Told {
    fn take(&mut self, news: News) {
        match news {
            News::Batch(batch) => {
                self.complaints.extend(batch.complaints.iter().map(ToString::to_string));
                for change in batch.changes {
                    self.apply(&change);
                }
            }
            News::Trouble { failure, .. } => self.failures.push(failure),
            News::Listed(_) => {}
        }
    }

    fn apply(&mut self, change: &Change) {
        let (key, value) = match change {
            Change::SetService(service) => {
                let address = service.cluster_ips.v4.map(|address| address.to_string());
                (format!("Service {}", service.name), address)
            }
            Change::SetEndpointSlice(slice) => {
                let addresses = slice.endpoints.iter().map(|endpoint| endpoint.address.to_string());
                (format!("EndpointSlice {}", slice.name), Some(addresses.collect::<Vec<_>>().join(" ")))
            }
            Change::SetNode(node) => {
                (format!("Node {}", node.name), node.zone.as_ref().map(ToString::to_string))
            }
            Change::DeleteService(name) => (format!("Service {name}"), None),
            Change::DeleteEndpointSlice(name) => (format!("EndpointSlice {name}"), None),
            Change::DeleteNode(name) => (format!("Node {name}"), None),
            Change::Synced => {
                self.synced += 1;
                return;
            }
        };
        match value {
            Some(value) => {
                self.changes.push(format!("+{key} {value}"));
                self.known.insert(key, value);
            }
            None => {
                self.changes.push(format!("-{key}"));
                self.known.remove(&key);
            }
        }
    }

    /// Deletions that were told.
    pub(crate) fn deletions(&self) -> Vec<&str> {
        self.changes.iter().filter(|change| change.starts_with('-')).map(String::as_str).collect()
    }
}

/// Listens until it is dropped.
pub(crate) struct Consumer {
    told: Arc<Mutex<Told>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Waits between tries are a hundredth of those in a cluster, but a slow machine is not taken for a dead
/// server, and nothing ends by itself while a test runs. Who tests a limit sets it.
pub(crate) fn hurried() -> Timing {
    Timing {
        backoff: Growth {
            first: Duration::from_millis(20),
            longest: Duration::from_millis(200),
            reset_after: Duration::from_secs(120),
        },
        watch: Duration::from_secs(600),
        steady: Duration::from_millis(100),
        connect: SOON,
        answer: SOON,
        silence: SOON,
        initial: Initial::Stream,
        versions: Versions::All,
        ping_interval: SOON,
        ping_timeout: SOON,
    }
}

/// How clients connect who use the kubeconfig.
pub(crate) fn connection(kubeconfig: &std::path::Path) -> Connection {
    Connection {
        kubeconfig: Some(kubeconfig.to_owned()),
        master: None,
        qps: 50.0,
        burst: 100,
        user_agent: "kube-proxy/v1.36.2 (linux/amd64) kubernetes/test".to_owned(),
    }
}

impl Consumer {
    /// Follows as the node `n`.
    pub(crate) fn start(connection: Connection, timing: Timing) -> Self {
        let told = Arc::new(Mutex::new(Told::default()));
        let (stop, stopped) = oneshot::channel();
        let (news, exchanges) = (told.clone(), told.clone());
        let listen = async move {
            let observe = move |seen: Observation<'_>| {
                let mut told = exchanges.lock().unwrap();
                match seen {
                    Observation::Exchange(exchange) => told.exchanges.push(exchange.clone()),
                    Observation::Unreadable(error) => told.unreadable.push(error.to_string()),
                    Observation::Waiting(_) => {}
                }
            };
            let server = Server::connect(connection, timing, observe).await.unwrap();
            let tell = |one| {
                news.lock().unwrap().take(one);
                ControlFlow::Continue(())
            };
            tokio::select! {
                () = follow(&server, "n", tell) => panic!("follow has ended by itself"),
                _ = stopped => {}
            }
        };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(listen);
        });
        Self { told, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn told(&self) -> Told {
        self.told.lock().unwrap().clone()
    }

    /// Waits until this holds.
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Told) -> bool) -> Told {
        let check = || -> Result<Told> {
            let told = self.told();
            if holds(&told) {
                return Ok(told);
            }
            bail!("{what}: not so: {told:#?}")
        };
        wait::until(SOON, check).unwrap()
    }

    pub(crate) fn until_synced(&self) -> Told {
        self.until("everything is told", |told| told.synced == 1)
    }

    /// Waits until exactly these are known, as `kind name value`.
    pub(crate) fn until_known(&self, expected: &[&str]) -> Told {
        let told = self.until(&format!("{expected:?} is known"), |told| brief(told) == expected);
        assert!(told.synced <= 1, "{told:#?}");
        told
    }
}

fn brief(told: &Told) -> Vec<String> {
    told.known.iter().map(|(key, value)| format!("{key} {value}")).collect()
}

impl Drop for Consumer {
    fn drop(&mut self) {
        drop(self.stop.take());
        let result = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            result.unwrap().unwrap();
        }
    }
}

/// A server with some objects, a folder with its kubeconfig, and one who listens.
pub(crate) struct Stage {
    pub(crate) server: ApiServer,
    pub(crate) folder: TempDir,
}

/// The objects of a stage, as a consumer knows them.
pub(crate) const ALL: [&str; 5] = [
    "EndpointSlice demo/api-1 10.1.0.2",
    "EndpointSlice demo/web-1 10.1.0.1",
    "Node n a",
    "Service demo/api 10.0.0.2",
    "Service demo/web 10.0.0.1",
];

impl Stage {
    pub(crate) fn new(options: Options) -> Self {
        let server = ApiServer::start(options).unwrap();
        let objects = [
            node("n", "a"),
            node("other", "b"),
            service("web", 1),
            service("api", 2),
            slice("web", 1),
            slice("api", 2),
        ];
        for object in objects {
            server.set(object).unwrap();
        }
        Self { server, folder: TempDir::with_prefix("kp-watch-").unwrap() }
    }

    pub(crate) fn listen(&self) -> Consumer {
        self.listen_with(hurried())
    }

    pub(crate) fn listen_with(&self, timing: Timing) -> Consumer {
        let kubeconfig = self.server.write_kubeconfig(self.folder.path()).unwrap();
        Consumer::start(connection(&kubeconfig), timing)
    }

    /// Somebody listens and knows everything.
    pub(crate) fn listened(&self) -> Consumer {
        self.listened_with(hurried())
    }

    pub(crate) fn listened_with(&self, timing: Timing) -> Consumer {
        let consumer = self.listen_with(timing);
        consumer.until_synced();
        consumer.until_known(&ALL);
        self.until_watched();
        consumer
    }

    /// Waits until all three kinds are watched.
    pub(crate) fn until_watched(&self) {
        let check = || {
            let kinds = [Kind::Node, Kind::Service, Kind::EndpointSlice];
            ensure!(kinds.iter().all(|kind| self.server.open_watches(*kind) == 1), "not watched yet");
            Ok(())
        };
        wait::until(SOON, check).unwrap();
    }

    /// Waits until so many watches of the kind were begun, of which only the last is open.
    pub(crate) fn until_begun(&self, kind: Kind, begun: usize) {
        let check = || {
            let seen = (self.server.begun_watches(kind), self.server.open_watches(kind));
            ensure!(seen == (begun, 1), "{kind:?}: {seen:?} watches were begun and are open");
            Ok(())
        };
        wait::until(SOON, check).unwrap();
    }

    /// From here on streams are refused, as by servers that do not offer them.
    pub(crate) fn refuse_streams(&self) {
        for kind in [Kind::Node, Kind::Service, Kind::EndpointSlice] {
            let message =
                "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
            let fault = Fault::Refuse { code: 422, reason: "Invalid", message, retry_after: None };
            self.server.script(Rule { kind, verb: Verb::Stream, times: u32::MAX, fault });
        }
    }

    /// How many requests of this sort came in.
    pub(crate) fn count(&self, kind: Kind, verb: Verb) -> usize {
        let seen = self.server.seen();
        seen.iter().filter(|seen| seen.kind == Some(kind) && seen.verb == verb).count()
    }
}
