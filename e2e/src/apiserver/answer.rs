//! Turns requests into answers, as the API server gives them.
//!
//! Knows nothing of connections.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, channel};

use super::body::{self, Body, Pieces};
use super::fault::{Fault, Verb};
use super::kind::{self, Kind, Place};
use super::selector::Selector;
use super::state::{From, InitialEnd, Order, Seen, Shared, State};
use super::store::Gone;
use super::{event, query, rbac, status, store};

/// A request, taken apart.
struct Asked {
    method: Method,
    place: Option<Place>,
    path: String,
    query: BTreeMap<String, String>,
    verb: Verb,
}

/// What to answer.
enum Answer {
    Whole(Value),
    Text(&'static str),
    Watch(UnboundedReceiver<Order>, Duration),
}

/// A refusal.
struct Refusal {
    status: Value,
    retry_after: Option<u64>,
}

/// Answers one request.
pub(super) async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let asked = Asked::from(&request);
    let (head, incoming) = request.into_parts();
    let fault = {
        let mut state = shared.state();
        state.seen.push(asked.seen(&head.headers, head.version));
        let kind = asked.place.as_ref().map(|place| place.kind);
        kind.and_then(|kind| state.script.next(kind, asked.verb))
    };
    if fault == Some(Fault::Hang) {
        return std::future::pending().await;
    }
    let content = incoming.collect().await.map(|content| content.to_bytes()).unwrap_or_default();
    let answered = asked.answer(&shared, &head.headers, &content, fault.as_ref());
    Ok(match answered {
        Ok(Answer::Whole(value)) => {
            let code = if head.method == Method::POST { 201 } else { 200 };
            response(code, body::whole(value.to_string().into()), fault)
        }
        Ok(Answer::Text(text)) => response(200, body::whole(text.into()), fault),
        Ok(Answer::Watch(orders, timeout)) => response(200, watch(orders, timeout), fault),
        Err(refusal) => refusal.response(),
    })
}

fn response(code: u16, pieces: Pieces, fault: Option<Fault>) -> Response<Body> {
    let response = Response::builder().status(code).header(CONTENT_TYPE, "application/json");
    response.body(body::body(pieces, fault)).expect("code and header are valid")
}

impl Refusal {
    fn response(self) -> Response<Body> {
        let code = self.status["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
        let mut response = response(code, body::whole(self.status.to_string().into()), None);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl std::convert::From<Value> for Refusal {
    fn from(status: Value) -> Self {
        Self { status, retry_after: None }
    }
}

impl Asked {
    fn from(request: &Request<Incoming>) -> Self {
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

    fn seen(&self, headers: &HeaderMap, version: Version) -> Seen {
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

    fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    fn selector(&self, namespace: Option<&String>) -> Selector {
        Selector {
            namespace: namespace.cloned(),
            labels: self.parameter("labelSelector").to_owned(),
            fields: self.parameter("fieldSelector").to_owned(),
        }
    }

    fn answer(
        &self,
        shared: &Shared,
        headers: &HeaderMap,
        content: &Bytes,
        fault: Option<&Fault>,
    ) -> Result<Answer, Refusal> {
        let mut state = shared.state();
        check_token(&state, headers)?;
        rbac::check(&shared.options.role, &self.method, &self.path, self.verb)?;
        if let Some(Fault::Refuse { code, reason, message, retry_after }) = fault {
            let status = status::failure(*code, reason, message);
            return Err(Refusal { status, retry_after: *retry_after });
        }
        let Some(place) = &self.place else { return self.other() };
        match (self.verb, &place.name) {
            (Verb::Get, Some(name)) => {
                let key = (place.kind, place.namespace.clone().unwrap_or_default(), name.clone());
                state.store.get(&key).cloned().map(Answer::Whole).ok_or_else(|| not_found(place).into())
            }
            (Verb::List | Verb::Get, _) => self.list(place, &mut state, shared.options.page),
            (Verb::Watch | Verb::Stream, _) => self.watch(place, &mut state, shared, fault),
            (Verb::Write, _) => self.write(place, &mut state, headers, content),
        }
    }

    fn other(&self) -> Result<Answer, Refusal> {
        match self.path.as_str() {
            "/healthz" | "/livez" | "/readyz" => Ok(Answer::Text("ok")),
            "/version" => Ok(Answer::Whole(json!({"major": "1", "minor": "36", "gitVersion": "v1.36.2"}))),
            _ => {
                Err(status::failure(404, "NotFound", "the server could not find the requested resource")
                    .into())
            }
        }
    }

    fn list(&self, place: &Place, state: &mut State, page: Option<usize>) -> Result<Answer, Refusal> {
        let current = state.store.version();
        let token = self.parameter("continue");
        let (version, mut items) = if token.is_empty() {
            let asked: u64 = self.parameter("resourceVersion").parse().unwrap_or_default();
            if asked > current {
                return Err(Refusal { status: status::too_large(asked, current), retry_after: Some(1) });
            }
            (current, state.store.list(place.kind, &self.selector(place.namespace.as_ref())))
        } else {
            let message = "The provided continue parameter is too old to display a consistent list result";
            state.pages.remove(token).ok_or_else(|| status::failure(410, "Expired", message))?
        };
        // Answers from the watch cache come in one piece.
        let is_cached = self.parameter("resourceVersion") == "0";
        let limit = self.parameter("limit").parse().ok().map(|limit: usize| limit.min(page.unwrap_or(limit)));
        let limit = limit.filter(|limit| *limit > 0 && !is_cached).unwrap_or(usize::MAX);
        let rest = if items.len() > limit { items.split_off(limit) } else { Vec::new() };
        let token = (!rest.is_empty()).then(|| format!("v{version}.{}=+/", state.seen.len()));
        if let Some(token) = &token {
            state.pages.insert(token.clone(), (version, rest));
        }
        Ok(Answer::Whole(status::list(place.kind, version, token.as_deref(), items)))
    }

    fn watch(
        &self,
        place: &Place,
        state: &mut State,
        shared: &Shared,
        fault: Option<&Fault>,
    ) -> Result<Answer, Refusal> {
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
            let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
            sender.send(Order::Tell(status::line("ERROR", status))).expect("the receiver is here");
            Ok(Answer::Watch(receiver, timeout))
        };
        if let Some(Fault::Tell { code, reason, message }) = fault {
            return told(&status::failure(*code, reason, message));
        }
        let end = if fault == Some(&Fault::LateBookmark) { InitialEnd::Later } else { InitialEnd::AtOnce };
        match state.watch(place.kind, selector, from, end) {
            Ok(orders) => Ok(Answer::Watch(orders, timeout)),
            Err(Gone) => told(&status::expired(version, "too old resource version")),
        }
    }

    /// Creates, replaces or merges one object.
    fn write(
        &self,
        place: &Place,
        state: &mut State,
        headers: &HeaderMap,
        content: &Bytes,
    ) -> Result<Answer, Refusal> {
        let name = place.name.clone().unwrap_or_default();
        let key = (place.kind, place.namespace.clone().unwrap_or_default(), name);
        if self.method == Method::PATCH {
            check_patch_type(headers)?;
        }
        let bad = |error: serde_json::Error| status::failure(400, "BadRequest", &error.to_string());
        let mut object: Value = serde_json::from_slice(content).map_err(bad)?;
        if self.method == Method::PATCH {
            let mut whole = state.store.get(&key).cloned().ok_or_else(|| not_found(place))?;
            merge(&mut whole, object);
            object = whole;
        }
        if let (Some(namespace), Some(metadata)) = (&place.namespace, object["metadata"].as_object_mut()) {
            metadata.entry("namespace").or_insert_with(|| namespace.as_str().into());
        }
        if self.method == Method::POST && state.store.get(&store::key(place.kind, &object)).is_some() {
            let message = format!("{} already exists", place.kind.plural());
            return Err(status::failure(409, "AlreadyExists", &message).into());
        }
        if place.kind == Kind::Event {
            event::check(&object).map_err(|message| status::failure(422, "Invalid", &message))?;
        }
        Ok(Answer::Whole(state.set(place.kind, object)))
    }
}

fn check_token(state: &State, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(token) = &state.token else { return Ok(()) };
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given == Some(&format!("Bearer {token}")) {
        return Ok(());
    }
    Err(status::failure(401, "Unauthorized", "Unauthorized").into())
}

/// Patches of objects that the server knows are strategic or plain merges.
fn check_patch_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if ["application/strategic-merge-patch+json", "application/merge-patch+json"].contains(&given) {
        return Ok(());
    }
    let message = "the body of the request was in an unknown format";
    Err(status::failure(415, "UnsupportedMediaType", message).into())
}

fn not_found(place: &Place) -> Value {
    let name = place.name.as_deref().unwrap_or_default();
    status::failure(404, "NotFound", &format!("{} {name:?} not found", place.kind.plural()))
}

/// A JSON merge patch, which is what a strategic one comes to for Events.
fn merge(object: &mut Value, patch: Value) {
    let Value::Object(members) = patch else {
        *object = patch;
        return;
    };
    for (name, value) in members {
        if value.is_null() {
            object.as_object_mut().map(|object| object.remove(&name));
        } else {
            merge(&mut object[name], value);
        }
    }
}

/// The lines of a watch until it is to end.
fn watch(mut orders: UnboundedReceiver<Order>, timeout: Duration) -> Pieces {
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
