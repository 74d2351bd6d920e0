//! Turns Events into what the API server takes: paths and JSON.
//!
//! Knows nothing of when they are written.

use serde_json::{Value, json};

use super::series::Series;
use super::{Event, Regarding};

impl Event {
    /// Where Events about the same object are created.
    pub(super) fn collection(&self) -> String {
        format!("/apis/events.k8s.io/v1/namespaces/{}/events", self.namespace())
    }

    /// Where it is once it was created.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.name())
    }

    /// The object, with the series that it has become, if it has.
    pub(super) fn body(&self, series: Option<&Series>) -> Value {
        let mut body = json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": self.name(), "namespace": self.namespace()},
            "eventTime": time(self.at),
            "type": self.topic.severity.name(),
            "reason": self.topic.reason,
            "action": self.topic.action,
            "regarding": regarding(&self.topic.regarding),
            "note": self.note,
            "reportingController": "kube-proxy",
            "reportingInstance": self.instance,
        });
        if let Some(series) = series {
            body["series"] = series.body();
        }
        body
    }

    /// Events about a Node, which has no namespace, are in `default`.
    fn namespace(&self) -> &str {
        match &self.topic.regarding {
            Regarding::Node(_) => "default",
            Regarding::Service(service) => &service.namespace,
        }
    }

    fn name(&self) -> String {
        let object = match &self.topic.regarding {
            Regarding::Node(node) => node,
            Regarding::Service(service) => service.name.as_str(),
        };
        format!("{object}.{:x}", self.at.as_nanosecond())
    }
}

impl Series {
    /// What makes a series of an Event that was created: a strategic merge patch.
    pub(super) fn patch(&self) -> Value {
        json!({"series": self.body()})
    }

    fn body(&self) -> Value {
        json!({"count": self.count, "lastObservedTime": time(self.last)})
    }
}

fn regarding(object: &Regarding) -> Value {
    match object {
        Regarding::Node(node) => json!({"apiVersion": "v1", "kind": "Node", "name": node}),
        Regarding::Service(service) => json!({
            "apiVersion": "v1", "kind": "Service",
            "namespace": service.namespace.as_str(), "name": service.name.as_str(),
        }),
    }
}

/// `MicroTime`: exactly six digits.
fn time(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
