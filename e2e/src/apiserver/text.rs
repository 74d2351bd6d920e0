//! Turns objects into the texts that a server answers with, lists and lines of a watch, by joining what is there.
//!
//! Knows nothing of requests.

use std::iter;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::kind::Kind;
use super::object::Object;

#[cfg(test)]
mod tests;

/// Pieces of a text are at least so long, in bytes, but for the last.
const PIECE: usize = 64 << 10;

/// An object by itself.
pub(super) fn whole(object: &Object) -> Bytes {
    [type_meta(object.kind()), object.members()].concat().into()
}

/// A list in pieces; its items do not say what they are, as in real ones.
pub(super) fn list(
    kind: Kind,
    version: u64,
    token: Option<&str>,
    items: Vec<Arc<Object>>,
) -> impl Iterator<Item = Bytes> + Send + use<> {
    let mut metadata = json!({"resourceVersion": version.to_string()});
    if let Some(token) = token {
        metadata["continue"] = token.into();
    }
    let (api_version, name) = (kind.api_version(), kind.name());
    let begin = format!(
        "{{\"kind\":\"{name}List\",\"apiVersion\":\"{api_version}\",\"metadata\":{metadata},\"items\":["
    );
    let openings =
        iter::once("{").chain(iter::repeat(",{")).map(|opening| Bytes::from_static(opening.as_bytes()));
    let items = openings.zip(items).flat_map(|(opening, item)| [opening, item.members()]);
    pieces(iter::once(begin.into()).chain(items).chain(iter::once(Bytes::from_static(b"]}"))))
}

/// A line of a watch.
pub(super) fn line(event_type: &str, object: &Object) -> Bytes {
    parts(&opening(event_type, object.kind()), object).concat().into()
}

/// The lines with which a watch begins, in pieces.
pub(super) fn added(kind: Kind, objects: Vec<Arc<Object>>) -> impl Iterator<Item = Bytes> + Send {
    let opening = opening("ADDED", kind);
    pieces(objects.into_iter().flat_map(move |object| parts(&opening, &object)))
}

/// A line that says why a watch is over.
pub(super) fn error(status: &Value) -> Bytes {
    format!("{{\"type\":\"ERROR\",\"object\":{status}}}\n").into()
}

/// Whether everything that existed at the start was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bookmark {
    Periodic,
    EndsInitialEvents,
}

/// A line that tells how far the watch is.
pub(super) fn bookmark(kind: Kind, version: u64, bookmark: Bookmark) -> Bytes {
    let mut metadata = json!({"resourceVersion": version.to_string(), "creationTimestamp": null});
    if bookmark == Bookmark::EndsInitialEvents {
        metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    }
    line("BOOKMARK", &Object::new(kind, json!({"metadata": metadata, "spec": {}})))
}

/// `kind` and `apiVersion`, with which objects begin.
fn type_meta(kind: Kind) -> Bytes {
    format!("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",", kind.name(), kind.api_version()).into()
}

fn opening(event_type: &str, kind: Kind) -> Bytes {
    [format!("{{\"type\":\"{event_type}\",\"object\":").into(), type_meta(kind)].concat().into()
}

fn parts(opening: &Bytes, object: &Object) -> [Bytes; 3] {
    [opening.clone(), object.members(), Bytes::from_static(b"}\n")]
}

/// The texts one after the other, cut anew: each piece costs a frame, a record and a system call.
fn pieces(texts: impl Iterator<Item = Bytes> + Send) -> impl Iterator<Item = Bytes> + Send {
    let mut texts = texts.fuse();
    iter::from_fn(move || {
        let mut piece = Vec::with_capacity(PIECE + PIECE / 8);
        while piece.len() < PIECE
            && let Some(text) = texts.next()
        {
            piece.extend_from_slice(&text);
        }
        (!piece.is_empty()).then(|| piece.into())
    })
}
