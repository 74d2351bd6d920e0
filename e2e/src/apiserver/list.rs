//! Answers lists, as a whole and by pages.
//!
//! Knows nothing of watches.

use super::asked::Asked;
use super::body::{self, Pieces};
use super::kind::Place;
use super::state::State;
use super::status::{self, Refusal};
use super::text;

impl Asked {
    /// All objects that are meant, or a page of them that is no longer than `page`.
    pub(super) fn list(
        &self,
        place: &Place,
        state: &mut State,
        page: Option<usize>,
    ) -> Result<Pieces, Refusal> {
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
        Ok(body::made(text::list(place.kind, version, token.as_deref(), items)))
    }
}
