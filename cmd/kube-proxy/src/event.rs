//! Turns what happens to the daemon into Events of `events.k8s.io/v1`, which `kubectl` shows beside the object.
//!
//! Knows neither a clock nor the API server: [`post`] has both.

mod post;
mod series;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;
use std::num::NonZeroU16;

use informer::object::NamespacedName;
use jiff::Timestamp;
use proxier::family::Family;

pub(crate) use post::{Events, Patience, Queue};

/// Something that operators should find beside the object that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// The daemon starts to work.
    Started,
    /// The health server cannot listen, and the process ends for it.
    HealthServerFailed {
        /// Why.
        cause: String,
    },
    /// The metrics server cannot listen, and the process ends for it.
    MetricsServerFailed {
        /// Why.
        cause: String,
    },
    /// The rules of a service port are refused, and left out.
    RulesRefused {
        /// Whose rules.
        family: Family,
        /// The Service.
        service: NamespacedName,
        /// `namespace/name:port`.
        service_port: String,
        /// A rule of it.
        rule: String,
        /// What the tool said.
        cause: String,
    },
    /// Something of a Service cannot be used, and is ignored.
    FieldsIgnored {
        /// The Service.
        service: NamespacedName,
        /// Which field, and why.
        cause: String,
    },
    /// Somebody else had taken rules away; they are back.
    RulesMissing {
        /// Whose rules.
        family: Family,
        /// What was missing.
        missing: String,
    },
    /// A health-check node port cannot be opened.
    HealthCheckFailed {
        /// The Service.
        service: NamespacedName,
        /// `spec.healthCheckNodePort`.
        port: NonZeroU16,
        /// Why.
        cause: String,
    },
}

/// Who tells: the daemon on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reporter {
    /// The name of the Node object.
    node: String,
    /// `reportingInstance`.
    instance: String,
}

/// What an Event says, and of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    topic: Topic,
    /// `note`: a sentence for people.
    note: String,
    /// `reportingInstance`.
    instance: String,
    /// `eventTime`.
    at: Timestamp,
}

/// Events with the same topic are one story: a series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Topic {
    severity: Severity,
    /// `reason`: one word for programs.
    reason: &'static str,
    /// `action`: what was tried.
    action: &'static str,
    regarding: Regarding,
    /// Which part of the object has this story, where several may have one.
    part: String,
}

/// `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Normal,
    Warning,
}

/// `regarding`: the object that the Event is shown with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Regarding {
    /// This node.
    Node(String),
    /// A Service.
    Service(NamespacedName),
}

/// The longest `note` that the API server takes, in bytes.
const LONGEST_NOTE: usize = 1024;

// === impl Reporter ===

impl Reporter {
    /// The daemon on the node of this name, whose host calls itself `host`.
    pub(crate) fn new(node: &str, host: &str) -> Self {
        Self { node: node.to_owned(), instance: format!("kube-proxy-{host}") }
    }

    /// The Event that tells of this.
    fn describe(&self, happening: Happening, at: Timestamp) -> Event {
        let of_node = |severity, reason, note| {
            let regarding = self.regarding();
            (Topic { severity, reason, action: "StartKubeProxy", regarding, part: String::new() }, note)
        };
        let node = &self.node;
        let (topic, note) = match happening {
            Happening::RulesRefused { family, service, service_port, rule, cause } => {
                let note = format!(
                    "node {node} left out {service_port}, whose {family} rules are refused: {cause}: {rule}"
                );
                let part = format!("{family} {service_port}");
                (Topic::of_service(service, part, "RulesRefused", "ProgramRules"), note)
            }
            Happening::FieldsIgnored { service, cause } => {
                let note = format!("node {node} ignores what it cannot use of {cause}");
                (Topic::of_service(service, String::new(), "FieldsIgnored", "ReadService"), note)
            }
            Happening::Started => of_node(Severity::Normal, "Starting", String::new()),
            Happening::HealthServerFailed { cause } => {
                of_node(Severity::Warning, "FailedToStartProxierHealthcheck", cause)
            }
            Happening::MetricsServerFailed { cause } => {
                of_node(Severity::Warning, "FailedToStartMetricServer", cause)
            }
            Happening::RulesMissing { family, missing } => {
                let regarding = self.regarding();
                let topic = Topic {
                    severity: Severity::Warning,
                    reason: "RulesMissing",
                    action: "WriteRules",
                    regarding,
                    part: family.to_string(),
                };
                (topic, format!("somebody else had taken {family} rules away, they are back: {missing}"))
            }
            Happening::HealthCheckFailed { service, port, cause } => {
                let note =
                    format!("node {node} can't serve the health check of {service} on port {port}: {cause}");
                let part = port.to_string();
                (Topic::of_service(service, part, "FailedToStartServiceHealthcheck", "Listen"), note)
            }
        };
        Event { topic, note: cut(note), instance: self.instance.clone(), at }
    }

    fn regarding(&self) -> Regarding {
        Regarding::Node(self.node.clone())
    }
}

// === impl Topic ===

impl Topic {
    /// Something is wrong with a part of a Service.
    fn of_service(service: NamespacedName, part: String, reason: &'static str, action: &'static str) -> Self {
        Self { severity: Severity::Warning, reason, action, regarding: Regarding::Service(service), part }
    }
}

/// As much of the note as the API server takes.
fn cut(mut note: String) -> String {
    note.truncate(note.floor_char_boundary(LONGEST_NOTE));
    note
}

impl Severity {
    /// `type`.
    fn name(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

impl fmt::Display for Regarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "Node {node}"),
            Self::Service(service) => write!(f, "Service {service}"),
        }
    }
}
