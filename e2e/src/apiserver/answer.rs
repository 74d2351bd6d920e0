//! Turns requests into answers, as the API server gives them.
//!
//! Knows nothing of connections.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::asked::Asked;
use super::body::{self, Body, Pieces};
use super::fault::{Fault, Verb};
use super::state::{Shared, State};
use super::status::{self, Refusal};
use super::{rbac, text};

/// What `/version` says.
const VERSION: &str = r#"{"gitVersion":"v1.36.2","major":"1","minor":"36"}"#;

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
        Ok(pieces) => response(if head.method == Method::POST { 201 } else { 200 }, pieces, fault),
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

impl Asked {
    fn answer(
        &self,
        shared: &Shared,
        headers: &HeaderMap,
        content: &Bytes,
        fault: Option<&Fault>,
    ) -> Result<Pieces, Refusal> {
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
                let object = state.store.get(&key).ok_or_else(|| status::not_found(place))?;
                Ok(body::whole(text::whole(object)))
            }
            (Verb::List | Verb::Get, _) => self.list(place, &mut state, shared.options.page),
            (Verb::Watch | Verb::Stream, _) => self.watch(place, &mut state, shared, fault),
            (Verb::Write, _) => self.write(place, &mut state, headers, content),
        }
    }

    fn other(&self) -> Result<Pieces, Refusal> {
        match self.path.as_str() {
            "/healthz" | "/livez" | "/readyz" => Ok(body::whole("ok".into())),
            "/version" => Ok(body::whole(VERSION.into())),
            _ => {
                Err(status::failure(404, "NotFound", "the server could not find the requested resource")
                    .into())
            }
        }
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
