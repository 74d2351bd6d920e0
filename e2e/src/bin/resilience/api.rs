//! Turns manifests into objects of a scripted API server, and waits for Events that arrive there.
//!
//! Does not know what they are about.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;

use anyhow::{Context, Result, ensure};
use e2e::apiserver::{ApiServer, Kind, Options, complete};
use e2e::netns::Netns;
use e2e::proxy::{NODE, Program};
use e2e::wait;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stage::PATIENCE;

/// An API server in the node's namespace.
pub(crate) struct Api {
    server: ApiServer,
    credentials: TempDir,
}

impl Api {
    /// Starts one that knows nothing but the node.
    pub(crate) fn start(node: &Netns) -> Result<Api> {
        let server = node.inside(|| ApiServer::start(Options::default()))?;
        let credentials = TempDir::with_prefix("kp-api-").context("make a folder for credentials")?;
        server.write_kubeconfig(credentials.path())?;
        server.set(json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE},
            "status": {"addresses": [{"type": "InternalIP", "address": "192.168.50.2"}]},
        }))?;
        Ok(Api { server, credentials })
    }

    /// The daemon, with this configuration and the way to the server.
    pub(crate) fn program(&self, config: &str) -> Result<Program> {
        let kubeconfig = self.credentials.path().join("kubeconfig").display().to_string();
        let file = self.credentials.path().join("config.yaml");
        fs::write(&file, format!("{config}clientConnection: {{kubeconfig: {kubeconfig:?}}}\n"))
            .context("write the configuration")?;
        let mut words = vec![OsString::from("--config"), file.into()];
        words.extend(["--hostname-override", NODE, "-v=2"].map(OsString::from));
        Ok(Program { words, ..Program::new()? })
    }

    /// Replaces all Services and slices.
    pub(crate) fn put(&self, manifests: &str) -> Result<()> {
        let mut names = BTreeSet::new();
        for document in serde_yaml::Deserializer::from_str(manifests) {
            let object = Value::deserialize(document).context("read an object")?;
            names.insert(name(&object));
            self.server.set(complete(object))?;
        }
        for kind in [Kind::Service, Kind::EndpointSlice] {
            for (namespace, name) in self.server.list(kind).iter().map(name) {
                if !names.contains(&(namespace.clone(), name.clone())) {
                    self.server.delete(kind, &namespace, &name);
                }
            }
        }
        Ok(())
    }

    /// Waits until a Warning arrived with this reason, about the object of this name, in whose note this is said.
    pub(crate) fn wait_for_event(&self, reason: &str, about: &str, words: &str) -> Result<()> {
        let is_meant = |event: &Value| {
            event["type"] == "Warning"
                && event["reason"] == reason
                && event["regarding"]["name"] == about
                && event["note"].as_str().is_some_and(|note| note.contains(words))
        };
        wait::until(PATIENCE, || {
            let events = self.server.list(Kind::Event);
            ensure!(events.iter().any(is_meant), "no {reason} of {about} that says {words:?}:\n{events:#?}");
            Ok(())
        })
    }
}

fn name(object: &Value) -> (String, String) {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}
