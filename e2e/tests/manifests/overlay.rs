//! Every overlay comes to the objects that a real kustomize has made of it, and these fit together.
//!
//! What was made is in `recorded`, by `record.sh` with the kustomize 5.5.0 of kubectl.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kustomize::{build, containers};
use crate::patch::strategic_merge;
use crate::{documents, place, schema, text};

/// What `make image` builds.
const IMAGE: &str = concat!("localhost/kube-proxy:v", env!("CARGO_PKG_VERSION"));

type Objects = BTreeMap<(String, String), Value>;

fn by_name(objects: Vec<Value>) -> Objects {
    let count = objects.len();
    let text = |value: &Value| value.as_str().expect("it has a kind and a name").to_owned();
    let key = |object: &Value| (text(&object["kind"]), text(&object["metadata"]["name"]));
    let objects: Objects = objects.into_iter().map(|object| (key(&object), object)).collect();
    assert_eq!(objects.len(), count, "two objects have one name");
    objects
}

fn recorded(name: &str) -> Vec<Value> {
    documents(&place(&format!("e2e/tests/manifests/recorded/{name}.yaml")))
}

#[track_caller]
fn is_as_recorded(folder: &Path, name: &str) {
    let (found, expected) = (by_name(build(folder).unwrap()), by_name(recorded(name)));
    let text = |objects: &Objects| serde_yaml::to_string(&objects.values().collect::<Vec<_>>()).unwrap();
    let diff = e2e::canonical::diff(&text(&expected), &text(&found));
    assert!(found == expected, "{name} differs; if it should, run e2e/tests/manifests/record.sh:\n{diff}");
}

#[test]
fn overlays_come_to_what_a_real_kustomize_makes_of_them() {
    for name in ["base", "kind", "podmonitor"] {
        is_as_recorded(&place("manifests").join(name), name);
    }
}

/// docs/install.md tells how to make one of one's own, with another image.
#[test]
fn an_overlay_of_ones_own_changes_the_image() {
    let page = text(&place("docs/install.md"));
    let blocks: Vec<&str> =
        page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let folder = TempDir::with_prefix("kp-overlay-").unwrap();
    copy(&place("manifests/base"), &folder.path().join("base"));
    let mine = folder.path().join("mine");
    copy(&place("manifests/kind"), &mine);
    let file = mine.join("kustomization.yaml");
    assert_eq!(blocks.len(), 1, "{blocks:?}");
    fs::write(&file, text(&file) + blocks[0]).unwrap();
    is_as_recorded(&mine, "mine");
    assert_eq!(images(build(&mine).unwrap()), ["registry.example/kube-proxy:v0.1.0"; 2]);

    let base_name = blocks[0].replace("localhost/kube-proxy", "kube-proxy");
    fs::write(&file, text(&place("manifests/kind/kustomization.yaml")) + &base_name).unwrap();
    assert_eq!(images(build(&mine).unwrap()), [IMAGE; 2], "it says that this matches nothing");
}

#[test]
fn the_patch_for_kubeadm_changes_the_image_and_nothing_else() {
    let [mut kubeadm] = <[Value; 1]>::try_from(documents(&place("e2e/src/bin/image/kubeadm.yaml"))).unwrap();
    let patch = documents(&place("manifests/kubeadm/image.yaml")).remove(0);
    let patched = strategic_merge(&kubeadm, &patch).unwrap();
    containers(&mut kubeadm)[0]["image"] = Value::from(IMAGE);
    assert_eq!(patched, kubeadm);
    assert_eq!(recorded("kubeadm"), [patched]);

    let wrong = json!({"spec": {"template": {"spec": {"containers": [{"name": "proxy", "image": "a"}]}}}});
    strategic_merge(&kubeadm, &wrong).unwrap_err();
    strategic_merge(&kubeadm, &json!({"spec": {"tmplate": {}}})).unwrap_err();
}

#[test]
fn objects_of_an_overlay_fit_together() {
    for name in ["base", "kind"] {
        let objects = build(&place("manifests").join(name)).unwrap();
        objects.iter().for_each(|object| schema::check(object).unwrap());
        assert_eq!(images(objects.clone()), [IMAGE; 2], "the name that make image gives");
        let objects = by_name(objects);
        let (_, config_map) = objects.iter().find(|((kind, _), _)| kind == "ConfigMap").unwrap();
        let daemon_set = get(&objects, "DaemonSet", "kube-proxy");
        let pod = &daemon_set["spec"]["template"]["spec"];
        assert_eq!(pod["volumes"][0]["configMap"]["name"], config_map["metadata"]["name"]);
        let labels = &daemon_set["spec"]["template"]["metadata"]["labels"];
        assert_eq!(&daemon_set["spec"]["selector"]["matchLabels"], labels);

        let account = get(&objects, "ServiceAccount", pod["serviceAccountName"].as_str().unwrap());
        let binding = get(&objects, "ClusterRoleBinding", "kube-proxy");
        let [subject] = binding["subjects"].as_array().unwrap().as_slice() else { panic!("{binding}") };
        for field in ["name", "namespace"] {
            assert_eq!(subject[field], account["metadata"][field]);
        }
        get(&objects, "ClusterRole", binding["roleRef"]["name"].as_str().unwrap());
        for object in [account, config_map, daemon_set] {
            assert_eq!(object["metadata"]["namespace"], "kube-system");
        }
    }
}

/// The PodMonitor finds the pods of the base, and those of kubeadm.
#[test]
fn monitored_are_the_pods_of_the_daemon_set() {
    let [monitor] = <[Value; 1]>::try_from(build(&place("manifests/podmonitor")).unwrap()).unwrap();
    let wanted = &monitor["spec"]["selector"]["matchLabels"];
    for daemon_set in ["manifests/base/daemonset.yaml", "e2e/src/bin/image/kubeadm.yaml"] {
        let daemon_set = documents(&place(daemon_set)).remove(0);
        assert_eq!(&daemon_set["spec"]["template"]["metadata"]["labels"], wanted);
        assert_eq!(daemon_set["metadata"]["namespace"], monitor["metadata"]["namespace"]);
    }
}

#[test]
fn every_file_is_referred_to() {
    let folder = place("manifests/base");
    let kustomization = documents(&folder.join("kustomization.yaml")).remove(0);
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let files = names(&kustomization["configMapGenerator"][0]["files"]);
    let mut referred = [names(&kustomization["resources"]), files].concat();
    referred.push("kustomization.yaml".to_owned());
    referred.sort_unstable();
    let entries = fs::read_dir(&folder).unwrap();
    let mut entries: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    entries.sort_unstable();
    assert_eq!(entries, referred);
}

#[test]
fn mistakes_are_found() {
    let folder = TempDir::with_prefix("kp-overlay-").unwrap();
    let head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
    let built = |rest: &str| {
        fs::write(folder.path().join("kustomization.yaml"), format!("{head}{rest}")).unwrap();
        build(folder.path())
    };
    assert_eq!(built("").unwrap(), Vec::<Value>::new());
    for wrong in [
        "namesapce: kube-system\n",
        "configMapGenerator: [{name: a, files: [nowhere.conf]}]\n",
        "configMapGenerator: [{name: a, behavior: merge, files: []}]\n",
        "configMapGenerator: [{name: a, file: [kustomization.yaml]}]\n",
        "images: [{name: a, newname: b, newTag: c}]\n",
        "kind: Component\n",
    ] {
        built(wrong).unwrap_err();
    }
}

fn get<'a>(objects: &'a Objects, kind: &str, name: &str) -> &'a Value {
    objects.get(&(kind.to_owned(), name.to_owned())).unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

fn images(mut objects: Vec<Value>) -> Vec<String> {
    let containers = objects.iter_mut().flat_map(containers);
    containers.map(|container| container["image"].as_str().unwrap().to_owned()).collect()
}

fn copy(from: &Path, to: &PathBuf) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
