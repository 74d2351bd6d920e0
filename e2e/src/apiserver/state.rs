//! What requests and tests share: objects, open watches, faults to come, requests seen.
//!
//! Knows nothing of connections.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::fault::{Script, Verb};
use super::kind::Kind;
use super::object::Object;
use super::options::Options;
use super::selector::Selector;
use super::store::{Gone, Key, Store};
use super::text::{self, Bookmark};

/// A request as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// HTTP method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Query as it stands.
    pub query: String,
    /// What is asked for; none for paths that are no objects.
    pub kind: Option<Kind>,
    /// What is asked.
    pub verb: Verb,
    /// Whether it came over HTTP/2.
    pub is_http2: bool,
    /// Header `User-Agent`.
    pub user_agent: String,
    /// Header `Authorization`.
    pub authorization: String,
    /// Header `Accept`.
    pub accept: String,
    /// Header `Accept-Encoding`; empty if there is none.
    pub accept_encoding: String,
    /// Header `Content-Type`; empty if there is none.
    pub content_type: String,
}

/// What requests and tests share.
pub(super) struct Shared {
    pub(super) options: Options,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) store: Store,
    pub(super) script: Script,
    pub(super) seen: Vec<Seen>,
    pub(super) token: Option<String>,
    /// Pages that were promised, with the version of the whole list.
    pub(super) pages: BTreeMap<String, (u64, Vec<Arc<Object>>)>,
    watchers: Vec<Watcher>,
    /// Watches that were ever begun.
    begun: BTreeMap<Kind, usize>,
}

struct Watcher {
    kind: Kind,
    selector: Selector,
    /// What happened up to here is known already, or not yet reached.
    from: u64,
    orders: UnboundedSender<Order>,
    /// Whether the bookmark that ends the initial events is still to come.
    is_initial: bool,
}

/// When the bookmark comes that ends the initial events of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InitialEnd {
    /// Right behind them.
    AtOnce,
    /// When somebody asks for it; what happens until then is told before it.
    Later,
}

/// What an open watch is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// These lines.
    Tell(Bytes),
    /// That these objects were added.
    Begin(Kind, Vec<Arc<Object>>),
    /// End in good order.
    Close,
    /// Break off.
    Cut,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// With everything there is, and a bookmark after it.
    Stream,
    /// With everything there is, as clients without a version want it.
    Any,
    /// After this version.
    Version(u64),
}

impl Shared {
    pub(super) fn new(options: Options) -> Self {
        let state = State {
            store: Store::at(options.version),
            script: Script::default(),
            seen: Vec::new(),
            token: options.token.clone(),
            pages: BTreeMap::new(),
            watchers: Vec::new(),
            begun: BTreeMap::new(),
        };
        Self { options, state: Mutex::new(state) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked elsewhere has failed already.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Creates or replaces an object and tells the watches.
    pub(super) fn set(&mut self, kind: Kind, object: Value) -> Arc<Object> {
        let before = self.store.version();
        let object = self.store.set(kind, object);
        self.publish(kind, before);
        object
    }

    /// Deletes an object and tells the watches.
    pub(super) fn delete(&mut self, key: &Key) -> Option<Arc<Object>> {
        let before = self.store.version();
        let object = self.store.delete(key)?;
        self.publish(key.0, before);
        Some(object)
    }

    fn publish(&mut self, kind: Kind, before: u64) {
        let store = &self.store;
        self.watchers.retain(|watcher| !watcher.orders.is_closed());
        for watcher in self.watchers.iter().filter(|watcher| watcher.kind == kind) {
            let events = store.after(before.max(watcher.from), kind, &watcher.selector);
            for event in events.into_iter().flatten() {
                watcher.order(Order::Tell(text::line(event.event_type, &event.object)));
            }
        }
    }

    /// Begins a watch: what it tells comes out of the receiver.
    pub(super) fn watch(
        &mut self,
        kind: Kind,
        selector: Selector,
        from: From,
        end: InitialEnd,
    ) -> Result<UnboundedReceiver<Order>, Gone> {
        let (orders, receiver) = unbounded_channel();
        let current = self.store.version();
        let version = if let From::Version(version) = from { version } else { current };
        let is_initial = from == From::Stream && end == InitialEnd::Later;
        let watcher = Watcher { kind, selector, from: version, orders, is_initial };
        if let From::Version(version) = from {
            for event in self.store.after(version, kind, &watcher.selector)? {
                watcher.order(Order::Tell(text::line(event.event_type, &event.object)));
            }
        } else {
            watcher.order(Order::Begin(kind, self.store.list(kind, &watcher.selector)));
        }
        if from == From::Stream && !is_initial {
            watcher.order(Order::Tell(text::bookmark(kind, current, Bookmark::EndsInitialEvents)));
        }
        self.watchers.push(watcher);
        *self.begun.entry(kind).or_default() += 1;
        Ok(receiver)
    }

    /// Sends the bookmark that ends the initial events to who waits for it.
    pub(super) fn end_initial_events(&mut self, kind: Kind) {
        let version = self.store.version();
        let waiting = |watcher: &&mut Watcher| watcher.kind == kind && watcher.is_initial;
        for watcher in self.watchers.iter_mut().filter(waiting) {
            watcher.is_initial = false;
            watcher.order(Order::Tell(text::bookmark(kind, version, Bookmark::EndsInitialEvents)));
        }
    }

    /// Tells all watches of the kind.
    pub(super) fn order(&self, kind: Kind, order: &Order) {
        for watcher in self.watchers.iter().filter(|watcher| watcher.kind == kind) {
            watcher.order(order.clone());
        }
    }

    /// Tells all watches how far they are; who waits for a version to come learns nothing.
    pub(super) fn bookmark(&self) {
        let version = self.store.version();
        for watcher in self.watchers.iter().filter(|watcher| watcher.from <= version && !watcher.is_initial) {
            watcher.order(Order::Tell(text::bookmark(watcher.kind, version, Bookmark::Periodic)));
        }
    }

    /// How many watches of the kind were ever begun.
    pub(super) fn begun_watches(&self, kind: Kind) -> usize {
        self.begun.get(&kind).copied().unwrap_or_default()
    }

    /// How many watches of the kind are open.
    pub(super) fn open_watches(&self, kind: Kind) -> usize {
        self.watchers.iter().filter(|watcher| watcher.kind == kind && !watcher.orders.is_closed()).count()
    }
}

impl Watcher {
    /// A watch that has ended does not listen.
    fn order(&self, order: Order) {
        let _ended = self.orders.send(order);
    }
}
