//! What a proxy follows of a cluster.
//!
//! Knows nothing of how it is asked for.

use std::fmt;

/// What is listed and watched, with the server's help in leaving out what is not proxied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// The Node with the name of this one.
    Node,
    /// Services that no other proxy serves and that have a cluster IP.
    Services,
    /// EndpointSlices of Services that have a cluster IP.
    EndpointSlices,
}

impl fmt::Display for Resource {
    /// The Go type, as client-go's log lines name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "*v1.Node",
            Self::Services => "*v1.Service",
            Self::EndpointSlices => "*v1.EndpointSlice",
        })
    }
}
