//! Turns a folder of manifests into the objects of a server, once and whenever the files change.
//!
//! Knows nothing of requests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::store::{self, Key};
use super::{ApiServer, Kind, complete};

/// A folder whose `*.yaml`, `*.yml` and `*.json` a server serves.
pub struct Folder {
    path: PathBuf,
    /// The objects as they are in the files.
    served: BTreeMap<Key, Value>,
}

impl Folder {
    /// The folder at `path`, of which nothing is served yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), served: BTreeMap::new() }
    }

    /// Sets in `server` what is new or different, and deletes what is gone.
    ///
    /// Fields that the API server would fill in are filled in. Kinds that are not served are passed over.
    ///
    /// # Errors
    /// When a file cannot be read or is no manifest; nothing has changed then.
    pub fn serve(&mut self, server: &ApiServer) -> Result<()> {
        let objects = self.read()?;
        for key in self.served.keys().filter(|key| !objects.contains_key(*key)) {
            server.delete(key.0, &key.1, &key.2);
        }
        for (key, object) in &objects {
            if self.served.get(key) != Some(object) {
                server.set(object.clone())?;
            }
        }
        self.served = objects;
        Ok(())
    }

    fn read(&self) -> Result<BTreeMap<Key, Value>> {
        let mut objects = BTreeMap::new();
        let entries = fs::read_dir(&self.path).with_context(|| format!("list {}", self.path.display()))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.sort();
        for path in paths.iter().filter(|path| is_manifest(path)) {
            let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
            for document in serde_yaml::Deserializer::from_str(&text) {
                let document =
                    Value::deserialize(document).with_context(|| format!("parse {}", path.display()))?;
                add(document, &mut objects).with_context(|| format!("in {}", path.display()))?;
            }
        }
        Ok(objects)
    }
}

fn is_manifest(path: &Path) -> bool {
    let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let extension = path.extension().and_then(|extension| extension.to_str());
    !is_hidden && matches!(extension, Some("yaml" | "yml" | "json"))
}

/// Adds the objects in a document; a list holds several.
fn add(mut document: Value, objects: &mut BTreeMap<Key, Value>) -> Result<()> {
    if let Some(items) = document.get_mut("items").map(Value::take) {
        let items: Vec<Value> = serde_json::from_value(items).context("items")?;
        return items.into_iter().try_for_each(|item| add(item, objects));
    }
    let text = |name: &str| document[name].as_str().unwrap_or_default();
    let Some(kind) = Kind::of(text("apiVersion"), text("kind")) else { return Ok(()) };
    ensure!(document["metadata"]["name"].is_string(), "{} without a name", kind.name());
    let object = complete(document);
    objects.insert(store::key(kind, &object), object);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apiserver::Options;

    #[test]
    fn files_become_objects() {
        let folder = tempfile::tempdir().unwrap();
        let server = ApiServer::start(Options::default()).unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: 10.0.0.1, ports: [{port: 80}]}\n";
        put("a.yaml", &format!("{service}---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\n---\n"));
        put(
            "b.json",
            r#"{"kind": "List", "items": [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}]}"#,
        );
        put(".c.yaml", "{");
        let mut served = Folder::new(folder.path());
        served.serve(&server).unwrap();
        let services = server.list(Kind::Service);
        assert_eq!(services[0]["metadata"]["namespace"], "default");
        assert_eq!(services[0]["spec"]["ports"][0]["protocol"], "TCP");
        assert_eq!(services[0]["spec"]["ipFamilies"], serde_json::json!(["IPv4"]));
        assert_eq!(server.list(Kind::Node).len(), 1);

        let version = server.version();
        served.serve(&server).unwrap();
        assert_eq!(server.version(), version, "nothing has changed");
        put("a.yaml", "{");
        served.serve(&server).unwrap_err();
        assert_eq!(server.list(Kind::Service).len(), 1);
        fs::remove_file(folder.path().join("a.yaml")).unwrap();
        served.serve(&server).unwrap();
        assert!(server.list(Kind::Service).is_empty());
    }
}
