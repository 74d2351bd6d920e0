//! Every kustomization names files that exist, and puts the right image in.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::{place, text};

/// What we use of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "fields that are only checked for being known")]
struct Kustomization {
    api_version: String,
    kind: String,
    namespace: String,
    resources: Vec<String>,
    #[serde(default)]
    config_map_generator: Vec<Generator>,
    #[serde(default)]
    images: Vec<Image>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields that are only checked for being known")]
struct Generator {
    name: String,
    behavior: Option<String>,
    files: Vec<String>,
    options: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Image {
    name: String,
    new_name: String,
    new_tag: String,
}

fn read(folder: &Path) -> Kustomization {
    let path = folder.join("kustomization.yaml");
    serde_yaml::from_str(&text(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_reference_leads_to_a_file() {
    for name in ["manifests/base", "manifests/kind", "manifests/podmonitor"] {
        let folder = place(name);
        let kustomization = read(&folder);
        for resource in &kustomization.resources {
            let path = folder.join(resource);
            let is_there =
                if path.is_dir() { path.join("kustomization.yaml").exists() } else { path.is_file() };
            assert!(is_there, "{name} refers to {resource}");
        }
        for file in kustomization.config_map_generator.iter().flat_map(|generator| &generator.files) {
            assert!(folder.join(file).is_file(), "{name} refers to {file}");
        }
    }
}

#[test]
fn every_file_is_referred_to() {
    let folder = place("manifests/base");
    let kustomization = read(&folder);
    let files = kustomization.config_map_generator.iter().flat_map(|generator| &generator.files);
    let mut referred: Vec<&str> = kustomization.resources.iter().chain(files).map(String::as_str).collect();
    referred.push("kustomization.yaml");
    referred.sort_unstable();
    let entries =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut entries: Vec<String> = entries.collect();
    entries.sort_unstable();
    assert_eq!(entries, referred);
}

/// The name that `make image` gives.
#[test]
fn the_image_is_the_one_that_is_built() {
    let image = &read(&place("manifests/base")).images[0];
    assert_eq!((image.name.as_str(), image.new_name.as_str()), ("kube-proxy", "localhost/kube-proxy"));
    assert_eq!(image.new_tag, concat!("v", env!("CARGO_PKG_VERSION")));
    let patch = text(&place("manifests/kubeadm/image.yaml"));
    assert!(patch.contains(&format!("image: localhost/kube-proxy:{}\n", image.new_tag)), "{patch}");
}
