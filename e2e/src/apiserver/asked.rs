//! Turns requests into what they ask for.
//!
//! Knows nothing of answers.

use std::collections::BTreeMap;

use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, Method, Request, Version};
use hyper::body::Incoming;

use super::fault::Verb;
use super::kind::{self, Place};
use super::query;
use super::selector::Selector;
use super::state::Seen;

/// A request, taken apart.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) place: Option<Place>,
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) verb: Verb,
}

impl Asked {
    pub(super) fn from(request: &Request<Incoming>) -> Self {
        let query = query::parameters(request.uri().query().unwrap_or_default());
        let place = kind::place(request.uri().path());
        let is_watch = query.get("watch").is_some_and(|value| value == "true" || value == "1");
        let is_stream = query.get("sendInitialEvents").is_some_and(|value| value == "true");
        let has_name = place.as_ref().is_some_and(|place| place.name.is_some());
        let verb = match (request.method() == Method::GET, is_watch, is_stream, has_name) {
            (false, ..) => Verb::Write,
            (true, true, true, _) => Verb::Stream,
            (true, true, false, _) => Verb::Watch,
            (true, false, _, true) => Verb::Get,
            (true, false, _, false) => Verb::List,
        };
        let path = request.uri().path().to_owned();
        Self { method: request.method().clone(), place, path, query, verb }
    }

    /// What tests are told of it.
    pub(super) fn seen(&self, headers: &HeaderMap, version: Version) -> Seen {
        let header = |name| {
            headers
                .get(name)
                .and_then(|value: &http::HeaderValue| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let query = self.query.iter().map(|(name, value)| format!("{name}={value}"));
        Seen {
            method: self.method.to_string(),
            path: self.path.clone(),
            query: query.collect::<Vec<_>>().join("&"),
            kind: self.place.as_ref().map(|place| place.kind),
            verb: self.verb,
            is_http2: version == Version::HTTP_2,
            user_agent: header(USER_AGENT),
            authorization: header(AUTHORIZATION),
            accept: header(ACCEPT),
            accept_encoding: header(ACCEPT_ENCODING),
            content_type: header(CONTENT_TYPE),
        }
    }

    /// A parameter of the query; empty if it is absent.
    pub(super) fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// The objects that are meant.
    pub(super) fn selector(&self, namespace: Option<&String>) -> Selector {
        Selector {
            namespace: namespace.cloned(),
            labels: self.parameter("labelSelector").to_owned(),
            fields: self.parameter("fieldSelector").to_owned(),
        }
    }
}
