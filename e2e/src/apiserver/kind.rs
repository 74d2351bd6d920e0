//! Turns paths of the Kubernetes API into kinds, namespaces and names.
//!
//! Knows nothing of objects.

/// A kind of object that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `v1` Node.
    Node,
    /// `v1` Service.
    Service,
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice,
    /// `networking.k8s.io/v1` ServiceCIDR.
    ServiceCidr,
    /// `events.k8s.io/v1` Event.
    Event,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Node, Self::Service, Self::EndpointSlice, Self::ServiceCidr, Self::Event];

    /// `kind`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Node => "Node",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::ServiceCidr => "ServiceCIDR",
            Self::Event => "Event",
        }
    }

    /// `apiVersion`.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Node | Self::Service => "v1",
            Self::EndpointSlice => "discovery.k8s.io/v1",
            Self::ServiceCidr => "networking.k8s.io/v1",
            Self::Event => "events.k8s.io/v1",
        }
    }

    /// The last part of a collection's path.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Node => "nodes",
            Self::Service => "services",
            Self::EndpointSlice => "endpointslices",
            Self::ServiceCidr => "servicecidrs",
            Self::Event => "events",
        }
    }

    /// Whether objects of this kind are in a namespace.
    pub fn is_namespaced(self) -> bool {
        !matches!(self, Self::Node | Self::ServiceCidr)
    }

    /// The kind of an object with this `apiVersion` and `kind`.
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.api_version() == api_version && one.name() == kind)
    }

    fn root(self) -> String {
        let api_version = self.api_version();
        if api_version.contains('/') { format!("/apis/{api_version}") } else { format!("/api/{api_version}") }
    }
}

/// What a path stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
}

/// The place that `path` stands for, if it is served.
pub(super) fn place(path: &str) -> Option<Place> {
    Kind::ALL.into_iter().find_map(|kind| {
        let rest = path.strip_prefix(&kind.root())?.strip_prefix('/')?;
        let parts: Vec<&str> = rest.split('/').collect();
        let (namespace, rest) = match parts.as_slice() {
            ["namespaces", namespace, rest @ ..] if kind.is_namespaced() => (Some(*namespace), rest),
            rest => (None, rest),
        };
        let name = match rest {
            [plural] if *plural == kind.plural() => None,
            [plural, name] if *plural == kind.plural() => Some(*name),
            _ => return None,
        };
        Some(Place { kind, namespace: namespace.map(str::to_owned), name: name.map(str::to_owned) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (path, expected) in [
            ("/api/v1/services", Some((Kind::Service, None, None))),
            ("/api/v1/namespaces/demo/services", Some((Kind::Service, Some("demo"), None))),
            ("/api/v1/namespaces/demo/services/web", Some((Kind::Service, Some("demo"), Some("web")))),
            ("/api/v1/nodes/a", Some((Kind::Node, None, Some("a")))),
            ("/apis/discovery.k8s.io/v1/endpointslices", Some((Kind::EndpointSlice, None, None))),
            ("/apis/events.k8s.io/v1/namespaces/default/events", Some((Kind::Event, Some("default"), None))),
            ("/apis/networking.k8s.io/v1/servicecidrs", Some((Kind::ServiceCidr, None, None))),
            ("/api/v1/pods", None),
            ("/api/v1/services/web/status", None),
            ("/version", None),
        ] {
            let found = place(path);
            let found =
                found.as_ref().map(|place| (place.kind, place.namespace.as_deref(), place.name.as_deref()));
            assert_eq!(found, expected, "{path}");
        }
    }
}
