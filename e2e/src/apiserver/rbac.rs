//! Turns requests into leave or refusal by a ClusterRole: `system:node-proxier`, which every cluster has, or another one.
//!
//! Knows nothing of objects and of who asks: everybody is the service account of kube-proxy.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use http::Method;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::Verb;
use super::status;

const USER: &str = "system:serviceaccount:kube-system:kube-proxy";

/// API group, resource and verbs of `system:node-proxier`.
const NODE_PROXIER: [(&str, &str, &[&str]); 7] = [
    ("", "endpoints", &["list", "watch"]),
    ("", "events", &["create", "patch", "update"]),
    ("", "nodes", &["get", "list", "watch"]),
    ("", "services", &["list", "watch"]),
    ("discovery.k8s.io", "endpointslices", &["list", "watch"]),
    ("events.k8s.io", "events", &["create", "patch", "update"]),
    ("networking.k8s.io", "servicecidrs", &["list", "watch"]),
];

/// Paths of no resource that everybody may read; a `/` behind them begins more of the same.
const OPEN: [&str; 7] = ["/api", "/apis", "/healthz", "/livez", "/openapi", "/readyz", "/version"];

/// What clients may do with resources.
#[derive(Clone, Debug)]
pub struct Role(Vec<PolicyRule>);

impl Role {
    /// `system:node-proxier`.
    #[must_use]
    pub fn node_proxier() -> Self {
        let one = |text: &str| Some(vec![text.to_owned()]);
        let rule = |&(group, resource, verbs): &(&str, &str, &[&str])| PolicyRule {
            api_groups: one(group),
            resources: one(resource),
            verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
            ..PolicyRule::default()
        };
        Self(NODE_PROXIER.iter().map(rule).collect())
    }

    /// The one ClusterRole among the documents of a file.
    ///
    /// # Errors
    /// When there is none, or more than one, or the file cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let mut roles = Vec::new();
        for document in serde_yaml::Deserializer::from_str(&text) {
            let value = Value::deserialize(document).with_context(|| format!("read {}", path.display()))?;
            if value["kind"] == "ClusterRole" {
                roles.push(serde_json::from_value::<ClusterRole>(value).context("read a ClusterRole")?);
            }
        }
        ensure!(roles.len() == 1, "{} has {} ClusterRoles, not one", path.display(), roles.len());
        Ok(Self(roles.remove(0).rules.unwrap_or_default()))
    }

    fn grants(&self, target: &Target, verb: &str) -> bool {
        let has = |words: &[String], word: &str| words.iter().any(|known| known == word);
        let among = |words: &Option<Vec<String>>, word: &str| has(words.as_deref().unwrap_or_default(), word);
        let grants = |rule: &PolicyRule| {
            among(&rule.api_groups, target.group)
                && among(&rule.resources, target.resource)
                && has(&rule.verbs, verb)
        };
        target.subresource.is_none() && self.0.iter().any(grants)
    }
}

/// What a path asks for.
struct Target<'a> {
    group: &'a str,
    resource: &'a str,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    subresource: Option<&'a str>,
}

/// Whether this may be asked; if not, the `Status` to say so.
pub(super) fn check(role: &Role, method: &Method, path: &str, verb: Verb) -> Result<(), Value> {
    let Some(target) = target(path) else {
        let is_below = |open: &&str| {
            path.strip_prefix(*open).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if *method == Method::GET && OPEN.iter().any(is_below) {
            return Ok(());
        }
        let verb = method.as_str().to_lowercase();
        return Err(status::failure(
            403,
            "Forbidden",
            &format!("forbidden: User {USER:?} cannot {verb} path {path:?}"),
        ));
    };
    let verb = verb_of(method, verb, target.name.is_some());
    if role.grants(&target, verb) { Ok(()) } else { Err(target.forbidden(verb)) }
}

fn verb_of(method: &Method, verb: Verb, has_name: bool) -> &'static str {
    match (method.as_str(), verb) {
        (_, Verb::List) => "list",
        (_, Verb::Watch | Verb::Stream) => "watch",
        (_, Verb::Get) => "get",
        ("POST", Verb::Write) => "create",
        ("PUT", Verb::Write) => "update",
        ("PATCH", Verb::Write) => "patch",
        (_, Verb::Write) if has_name => "delete",
        (_, Verb::Write) => "deletecollection",
    }
}

fn target(path: &str) -> Option<Target<'_>> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api", "v1", rest @ ..] => ("", rest),
        ["apis", group, _version, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
        rest => (None, rest),
    };
    let (resource, rest) = rest.split_first()?;
    let (name, subresource) = (rest.first().copied(), rest.get(1).copied());
    Some(Target { group, resource, namespace, name, subresource })
}

impl Target<'_> {
    fn forbidden(&self, verb: &str) -> Value {
        let Self { group, resource, namespace, name, subresource } = self;
        let mut what = if group.is_empty() { (*resource).to_owned() } else { format!("{resource}.{group}") };
        if let Some(name) = name {
            what += &format!(" {name:?}");
        }
        let whole = subresource.map_or_else(|| (*resource).to_owned(), |sub| format!("{resource}/{sub}"));
        let scope = match namespace {
            Some(namespace) => format!("in the namespace {namespace:?}"),
            None => "at the cluster scope".to_owned(),
        };
        let message = format!(
            "{what} is forbidden: User {USER:?} cannot {verb} resource {whole:?} in API group {group:?} {scope}"
        );
        let mut details = json!({"kind": resource});
        if let Some(name) = name {
            details["name"] = (*name).into();
        }
        if !group.is_empty() {
            details["group"] = (*group).into();
        }
        let mut status = status::failure(403, "Forbidden", &message);
        status["details"] = details;
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &Method, path: &str, verb: Verb) -> Result<(), Value> {
        super::check(&Role::node_proxier(), method, path, verb)
    }

    const SLICES: &str = "/apis/discovery.k8s.io/v1/endpointslices";
    const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/default/events";

    #[test]
    fn what_a_kube_proxy_may_do() {
        for (method, path, verb) in [
            (Method::GET, "/api/v1/services", Verb::List),
            (Method::GET, "/api/v1/services", Verb::Stream),
            (Method::GET, SLICES, Verb::Watch),
            (Method::GET, "/api/v1/nodes/n", Verb::Get),
            (Method::GET, "/api/v1/nodes", Verb::Stream),
            (Method::POST, EVENTS, Verb::Write),
            (Method::PATCH, &format!("{EVENTS}/n.17"), Verb::Write),
            (Method::GET, "/version", Verb::List),
            (Method::GET, "/livez/ping", Verb::List),
            (Method::GET, "/apis", Verb::List),
        ] {
            assert_eq!(check(&method, path, verb), Ok(()), "{method} {path}");
        }
    }

    #[test]
    fn a_role_from_a_file_is_what_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rbac.yaml");
        let role = "kind: ClusterRole\nrules: [{apiGroups: [''], resources: [nodes], verbs: [list]}]\n";
        fs::write(&path, format!("kind: ClusterRoleBinding\n---\n{role}")).unwrap();
        let role = Role::read(&path).unwrap();
        let check = |verb| super::check(&role, &Method::GET, "/api/v1/nodes", verb);
        assert_eq!(check(Verb::List), Ok(()));
        check(Verb::Watch).unwrap_err();
        fs::write(&path, "kind: Role\n").unwrap();
        Role::read(&path).unwrap_err();
    }

    #[test]
    fn what_it_may_not() {
        for (method, path, verb, expected) in [
            (
                Method::GET,
                "/api/v1/namespaces/demo/services/web",
                Verb::Get,
                r#"services "web" is forbidden: User "USER" cannot get resource "services" in API group "" in the namespace "demo""#,
            ),
            (
                Method::GET,
                "/apis/coordination.k8s.io/v1/leases",
                Verb::List,
                r#"leases.coordination.k8s.io is forbidden: User "USER" cannot list resource "leases" in API group "coordination.k8s.io" at the cluster scope"#,
            ),
            (
                Method::PATCH,
                "/api/v1/nodes/n/status",
                Verb::Write,
                r#"nodes "n" is forbidden: User "USER" cannot patch resource "nodes/status" in API group "" at the cluster scope"#,
            ),
            (
                Method::DELETE,
                EVENTS,
                Verb::Write,
                r#"events.events.k8s.io is forbidden: User "USER" cannot deletecollection resource "events" in API group "events.k8s.io" in the namespace "default""#,
            ),
            (Method::GET, "/metrics", Verb::List, r#"forbidden: User "USER" cannot get path "/metrics""#),
        ] {
            let status = check(&method, path, verb).unwrap_err();
            assert_eq!(status["message"], expected.replace("USER", USER), "{method} {path}");
            assert_eq!((&status["code"], &status["reason"]), (&json!(403), &json!("Forbidden")));
        }
        let status = check(&Method::GET, &format!("{SLICES}/web-1"), Verb::Get).unwrap_err();
        let details = json!({"name": "web-1", "group": "discovery.k8s.io", "kind": "endpointslices"});
        assert_eq!(status["details"], details);
    }
}
