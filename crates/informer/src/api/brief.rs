//! Turns changes of Services into a few letters, for tests of what is told.
//!
//! Knows nothing of what the Services say.

use crate::change::Change;

/// `+NAME` for a Service that is set, `-NAME` for one that is deleted.
pub(super) fn brief(changes: impl IntoIterator<Item = Change>) -> Vec<String> {
    let brief = |change: Change| match &change {
        Change::SetService(service) => format!("+{}", service.name.name),
        Change::DeleteService(name) => format!("-{}", name.name),
        Change::SetNode(_)
        | Change::DeleteNode(_)
        | Change::SetEndpointSlice(_)
        | Change::DeleteEndpointSlice(_)
        | Change::Synced => panic!("{change:?}"),
    };
    changes.into_iter().map(brief).collect()
}
