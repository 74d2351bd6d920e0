//! Turns a folder with a kustomization into the objects that `kubectl apply -k` would send.
//!
//! Knows the fields of a kustomization that ours have, and what kustomize does for them; any other field is an error.
//! Whether it is what kustomize does is for the test beside it, with what a real one has made.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{documents, text};

/// `kustomization.yaml`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kustomization {
    api_version: String,
    kind: String,
    namespace: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    config_map_generator: Vec<Generator>,
    #[serde(default)]
    images: Vec<Image>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Generator {
    name: String,
    #[serde(default)]
    behavior: Behavior,
    files: Vec<String>,
    #[serde(default)]
    options: Options,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Behavior {
    #[default]
    Create,
    Merge,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    #[serde(default)]
    labels: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Image {
    name: String,
    new_name: String,
    new_tag: String,
}

/// Objects on their way through a kustomization and those that refer to it.
#[derive(Default)]
struct Built {
    objects: Vec<Value>,
    /// ConfigMaps whose names are still those that the generators have.
    generated: Vec<Value>,
}

/// The objects of a folder, in no particular order.
///
/// # Errors
/// What kustomize would complain of.
pub(crate) fn build(folder: &Path) -> Result<Vec<Value>, String> {
    let Built { mut objects, generated } = layer(folder)?;
    for mut config_map in generated {
        let name = text_of(&config_map["metadata"]["name"]).to_owned();
        let suffixed = format!("{name}-{}", hash(&config_map["data"]));
        config_map["metadata"]["name"] = Value::from(suffixed.as_str());
        objects.iter_mut().flat_map(volumes).for_each(|volume| {
            if volume["configMap"]["name"] == *name {
                volume["configMap"]["name"] = Value::from(suffixed.as_str());
            }
        });
        objects.push(config_map);
    }
    Ok(objects)
}

/// What a folder makes of the folders and files that it names.
fn layer(folder: &Path) -> Result<Built, String> {
    let path = folder.join("kustomization.yaml");
    let kustomization: Kustomization =
        serde_yaml::from_str(&text(&path)).map_err(|error| format!("{}: {error}", path.display()))?;
    let head = (kustomization.api_version.as_str(), kustomization.kind.as_str());
    if head != ("kustomize.config.k8s.io/v1beta1", "Kustomization") {
        return Err(format!("{}: is {head:?}", path.display()));
    }
    let mut built = Built::default();
    for resource in &kustomization.resources {
        let path = folder.join(resource);
        if path.is_dir() {
            let below = layer(&path)?;
            built.objects.extend(below.objects);
            built.generated.extend(below.generated);
        } else {
            built.objects.extend(documents(&path));
        }
    }
    for generator in &kustomization.config_map_generator {
        generate(generator, folder, &mut built)?;
    }
    for object in built.objects.iter_mut().chain(&mut built.generated) {
        kustomization.namespace.iter().for_each(|namespace| put_into(namespace, object));
        kustomization.images.iter().for_each(|image| rename(image, object));
    }
    Ok(built)
}

fn generate(generator: &Generator, folder: &Path, built: &mut Built) -> Result<(), String> {
    let name = generator.name.as_str();
    let there = built.generated.iter_mut().find(|config_map| config_map["metadata"]["name"] == name);
    let config_map = match (&generator.behavior, there) {
        (Behavior::Create, None) => {
            let metadata = json!({"name": name, "labels": {}});
            let empty = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}});
            built.generated.push(empty);
            built.generated.last_mut().expect("one was added")
        }
        (Behavior::Merge, Some(config_map)) => config_map,
        (Behavior::Create, Some(_)) => return Err(format!("there is a ConfigMap {name} already")),
        (Behavior::Merge, None) => return Err(format!("there is no ConfigMap {name} to merge with")),
    };
    for file in &generator.files {
        let path = folder.join(file);
        if !path.is_file() {
            return Err(format!("there is no {}", path.display()));
        }
        config_map["data"][file] = Value::from(text(&path));
    }
    for (label, value) in &generator.options.labels {
        config_map["metadata"]["labels"][label] = value.clone();
    }
    Ok(())
}

/// Objects that belong to no namespace stay so; what they refer to by namespace is said in full by ours.
fn put_into(namespace: &str, object: &mut Value) {
    if !matches!(text_of(&object["kind"]), "ClusterRole" | "ClusterRoleBinding" | "Namespace") {
        object["metadata"]["namespace"] = Value::from(namespace);
    }
}

/// An image is found by all that stands before its tag.
fn rename(image: &Image, object: &mut Value) {
    for container in containers(object) {
        let present = text_of(&container["image"]);
        let (name, _tag) = present.rsplit_once(':').unwrap_or((present, ""));
        if name == image.name {
            container["image"] = Value::from(format!("{}:{}", image.new_name, image.new_tag));
        }
    }
}

/// As kustomize makes the suffix: letters and digits that cannot be misread, and form no words.
fn hash(data: &Value) -> String {
    let content = json!({"data": data, "kind": "ConfigMap", "name": ""}).to_string();
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(content));
    let readable = |sign| match sign {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        other => other,
    };
    digest.chars().take(10).map(readable).collect()
}

/// A pod template's containers, if the object has one.
pub(crate) fn containers(object: &mut Value) -> Vec<&mut Value> {
    let Some(Value::Object(pod)) = object.pointer_mut("/spec/template/spec") else { return Vec::new() };
    let lists = pod.iter_mut().filter(|(field, _)| matches!(field.as_str(), "containers" | "initContainers"));
    lists.filter_map(|(_, list)| list.as_array_mut()).flatten().collect()
}

fn volumes(object: &mut Value) -> Vec<&mut Value> {
    let volumes = object.pointer_mut("/spec/template/spec/volumes").and_then(Value::as_array_mut);
    volumes.into_iter().flatten().collect()
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
