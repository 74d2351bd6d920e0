//! Turns what is watched and how into the path and query of a request.
//!
//! Knows nothing of answers, nor when what is asked.

use std::fmt::Write;
use std::time::Duration;

use crate::api::resource::Resource;

#[cfg(test)]
mod tests;

/// The objects of one resource that this node follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) resource: Resource,
    path: &'static str,
    label_selector: Option<&'static str>,
    field_selector: Option<String>,
}

impl Selection {
    /// The objects that a proxy on the node `node_name` wants to know.
    pub(super) fn of(resource: Resource, node_name: &str) -> Self {
        match resource {
            Resource::Node => Self {
                resource,
                path: "/api/v1/nodes",
                label_selector: None,
                field_selector: Some(format!("metadata.name={node_name}")),
            },
            Resource::Services => Self {
                resource,
                path: "/api/v1/services",
                label_selector: Some("!service.kubernetes.io/service-proxy-name"),
                field_selector: Some("spec.clusterIP!=None".to_owned()),
            },
            Resource::EndpointSlices => Self {
                resource,
                path: "/apis/discovery.k8s.io/v1/endpointslices",
                label_selector: Some("!service.kubernetes.io/headless"),
                field_selector: None,
            },
        }
    }

    /// A page of the list that the server has at hand, which may lag behind; servers answer it
    /// from memory and in one piece.
    pub(super) fn list_any(&self) -> String {
        self.query(&[("limit", PAGE), ("resourceVersion", "0")])
    }

    /// The first page of the list as it is at this moment.
    pub(super) fn list_latest(&self) -> String {
        self.query(&[("limit", PAGE)])
    }

    /// The page after the one that ended with `token`.
    pub(super) fn list_continued(&self, token: &str) -> String {
        self.query(&[("limit", PAGE), ("continue", token)])
    }

    /// The shortest answer that tells the version of the server's data at this moment.
    pub(super) fn probe(&self) -> String {
        self.query(&[("limit", "1")])
    }

    /// A watch that begins with everything there is.
    pub(super) fn stream(&self, timeout: Duration) -> String {
        let seconds = timeout.as_secs().to_string();
        self.query(&[
            ("watch", "true"),
            ("sendInitialEvents", "true"),
            ("resourceVersionMatch", "NotOlderThan"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", &seconds),
        ])
    }

    /// A watch of what happens after `version`.
    pub(super) fn watch(&self, version: &str, timeout: Duration) -> String {
        let seconds = timeout.as_secs().to_string();
        self.query(&[
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", &seconds),
        ])
    }

    fn query(&self, parameters: &[(&str, &str)]) -> String {
        let field_selector = self.field_selector.as_deref().map(|selector| ("fieldSelector", selector));
        let label_selector = self.label_selector.map(|selector| ("labelSelector", selector));
        let mut query = self.path.to_owned();
        let all = parameters.iter().copied().chain(field_selector).chain(label_selector);
        for (index, (name, value)) in all.enumerate() {
            query.push(if index == 0 { '?' } else { '&' });
            query.push_str(name);
            query.push('=');
            push_escaped(&mut query, value);
        }
        query
    }
}

/// Objects a page, as client-go asks for.
const PAGE: &str = "500";

fn push_escaped(text: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("a String takes everything");
        }
    }
}
