//! Why a request came to nothing.
//!
//! Knows nothing of what follows from it.

use std::time::Duration;

use super::event::Status;

/// Why a request came to nothing, or a watch broke off; it is tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No answer: no connection, no TLS, no credentials.
    #[error("{0}")]
    Unreachable(String),
    /// The server answered with an HTTP status other than success.
    #[error("{}", text(.0))]
    Refused(Status),
    /// The server said so in the middle of a watch.
    #[error("{} (during the watch)", text(.0))]
    Told(Status),
    /// The answer broke off.
    #[error("the answer broke off: {0}")]
    Cut(String),
    /// No byte for so long.
    #[error("no byte for {0:?}")]
    Silent(Duration),
    /// The answer is not what was asked for.
    #[error("the answer is not what was asked for: {0}")]
    Garbled(String),
    /// The server went back in time, or told things twice or in the wrong order.
    #[error("resourceVersion {seen} follows {reached}: listing everything anew")]
    Older {
        /// The version up to which everything was told.
        reached: String,
        /// The version that came after it.
        seen: String,
    },
}

impl Failure {
    /// What the server said.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused(status) | Self::Told(status) => Some(status),
            Self::Unreachable(_) | Self::Cut(_) | Self::Silent(_) | Self::Garbled(_) | Self::Older { .. } => {
                None
            }
        }
    }
}

fn text(status: &Status) -> String {
    let Status { code, reason, message, .. } = status;
    let separator = if reason.is_empty() { "" } else { " " };
    format!("{code}{separator}{reason}: {message}")
}
