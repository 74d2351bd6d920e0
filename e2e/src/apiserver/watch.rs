//! Answers watches: where they begin, and what they tell until they end.
//!
//! Knows nothing of what happens to the objects.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, channel, unbounded_channel};

use super::asked::Asked;
use super::body::{self, Pieces};
use super::fault::{Fault, Verb};
use super::kind::Place;
use super::state::{From, InitialEnd, Order, Shared, State};
use super::status::{self, Refusal};
use super::store::Gone;
use super::text;

impl Asked {
    /// What happens to the objects that are meant, from where the client wants it.
    pub(super) fn watch(
        &self,
        place: &Place,
        state: &mut State,
        shared: &Shared,
        fault: Option<&Fault>,
    ) -> Result<Pieces, Refusal> {
        let asked = self.parameter("resourceVersion");
        if self.verb == Verb::Stream && self.parameter("resourceVersionMatch") != "NotOlderThan" {
            let message = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            return Err(status::failure(422, "Invalid", message).into());
        }
        let version: u64 = match asked {
            "" => 0,
            text => {
                text.parse().map_err(|_| status::failure(400, "BadRequest", "Invalid resource version"))?
            }
        };
        let from = match (self.verb, version) {
            (Verb::Stream, _) => From::Stream,
            (_, 0) => From::Any,
            (_, version) => From::Version(version),
        };
        let selector = self.selector(place.namespace.as_ref());
        let seconds = self.parameter("timeoutSeconds").parse().ok().filter(|_| shared.options.ends_watches);
        let timeout = shared.options.longest_watch.min(Duration::from_secs(seconds.unwrap_or(1800)));
        let told = |status: &Value| {
            let (sender, receiver) = unbounded_channel();
            sender.send(Order::Tell(text::error(status))).expect("the receiver is here");
            Ok(lines(receiver, timeout))
        };
        if let Some(Fault::Tell { code, reason, message }) = fault {
            return told(&status::failure(*code, reason, message));
        }
        let end = if fault == Some(&Fault::LateBookmark) { InitialEnd::Later } else { InitialEnd::AtOnce };
        match state.watch(place.kind, selector, from, end) {
            Ok(orders) => Ok(lines(orders, timeout)),
            Err(Gone) => told(&status::expired(version, "too old resource version")),
        }
    }
}

/// The lines of a watch until it is to end.
fn lines(mut orders: UnboundedReceiver<Order>, timeout: Duration) -> Pieces {
    let (sender, receiver) = channel(16);
    tokio::spawn(async move {
        let end = tokio::time::sleep(timeout);
        tokio::pin!(end);
        loop {
            let order = tokio::select! {
                biased;
                () = sender.closed() => return,
                order = orders.recv() => order,
                () = &mut end => return,
            };
            match order {
                Some(Order::Tell(line)) => {
                    let _gone = sender.send(Ok(line)).await;
                }
                Some(Order::Begin(kind, objects)) => {
                    for piece in text::added(kind, objects) {
                        if sender.send(Ok(piece)).await.is_err() {
                            return;
                        }
                    }
                }
                Some(Order::Cut) => {
                    let _gone = sender.send(Err(body::cut())).await;
                    return;
                }
                Some(Order::Close) | None => return,
            }
        }
    });
    receiver
}
