//! Good and bad versions of files after each other.

use proptest::prelude::*;

use super::*;

#[test]
fn edits_additions_and_deletions() {
    let mut manifests = Manifests::default();
    let both = service("web", "10.0.0.1") + &service("api", "10.0.0.2");
    assert_eq!(after(&mut manifests, "a.yaml", &both), ["+default/api 10.0.0.2", "+default/web 10.0.0.1"]);
    assert_eq!(after(&mut manifests, "a.yaml", &both), [""; 0]);
    assert_eq!(after(&mut manifests, "b.yaml", &service("new", "10.0.0.3")), ["+default/new 10.0.0.3"]);
    assert_eq!(
        after(&mut manifests, "a.yaml", &service("web", "10.0.0.9")),
        ["-default/api", "+default/web 10.0.0.9"]
    );
    assert_eq!(after_removal(&mut manifests, "a.yaml"), ["-default/web"]);
    assert_eq!(after(&mut manifests, "b.yaml", ""), ["-default/new"]);
}

#[test]
fn a_bad_document_keeps_what_its_file_said() {
    let mut manifests = Manifests::default();
    let web = service("web", "10.0.0.1");
    let api = service("api", "10.0.0.2");
    after(&mut manifests, "a.yaml", &(web.clone() + &api));

    let broken = web.replace("10.0.0.1", "10.0.0.9") + "---\nkind: [\n";
    let complaint =
        "a.yaml document 2: line 9: \"\": did not find expected node content, while parsing a flow node";
    assert_eq!(after(&mut manifests, "a.yaml", &broken), ["+default/web 10.0.0.9", complaint]);
    assert_eq!(after(&mut manifests, "a.yaml", &broken), [""; 0], "it is said once");
    assert_eq!(after(&mut manifests, "b.yaml", &service("new", "10.0.0.3")), ["+default/new 10.0.0.3"]);

    // Cut off inside the first document.
    assert_eq!(after(&mut manifests, "a.yaml", &web[..web.len() - 30]).len(), 1);
    assert_eq!(after(&mut manifests, "a.yaml", &web), ["-default/api", "+default/web 10.0.0.1"]);
    assert_eq!(after(&mut manifests, "a.yaml", &broken).len(), 2, "it was right in between");
    assert_eq!(after_removal(&mut manifests, "a.yaml"), ["-default/web"]);
}

#[test]
fn a_bad_file_keeps_what_it_said() {
    let mut manifests = Manifests::default();
    after(&mut manifests, "a.yaml", &service("web", "10.0.0.1"));
    assert_eq!(after(&mut manifests, "a.yaml", "\u{0}\u{1}junk").len(), 1);
    manifests.put_unreadable(OsStr::new("a.yaml"), "cannot be read: no luck");
    assert_eq!(told(manifests.changes()), ["a.yaml: cannot be read: no luck"]);
    assert_eq!(told(manifests.changes()), [""; 0]);
    assert_eq!(after(&mut manifests, "a.yaml", &service("web", "10.0.0.1")), [""; 0]);
    assert_eq!(after_removal(&mut manifests, "a.yaml"), ["-default/web"]);
}

#[test]
fn of_two_documents_about_one_object_the_last_counts() {
    let mut manifests = Manifests::default();
    after(&mut manifests, "b.yaml", &service("web", "10.0.0.1"));
    assert_eq!(
        after(&mut manifests, "a.yaml", &service("web", "10.0.0.2")),
        [
            "b.yaml document 1: Service default/web: metadata.name: \"web\": is the object of a.yaml document 1 too; this document counts"
        ]
    );
    let twice = service("web", "10.0.0.3") + &service("web", "10.0.0.4");
    assert_eq!(
        after(&mut manifests, "c.yaml", &twice),
        [
            "+default/web 10.0.0.4",
            "c.yaml document 1: Service default/web: metadata.name: \"web\": is the object of b.yaml document 1 too; this document counts",
            "c.yaml document 2: Service default/web: metadata.name: \"web\": is the object of c.yaml document 1 too; this document counts",
        ]
    );
    assert_eq!(after(&mut manifests, "d.yaml", &service("web", "None"))[0], "-default/web");
    after_removal(&mut manifests, "d.yaml");
    after_removal(&mut manifests, "c.yaml");
    assert_eq!(after_removal(&mut manifests, "b.yaml"), ["+default/web 10.0.0.2"]);
    let other_namespace = service("web", "10.0.0.7").replace("name: web", "name: web, namespace: other");
    assert_eq!(after(&mut manifests, "e.yaml", &other_namespace), ["+other/web 10.0.0.7"]);
}

#[test]
fn a_change_of_metadata_alone_changes_a_slice() {
    let slice = |more: &str| {
        format!(
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: s, labels: {{kubernetes.io/service-name: web}}{more}}}\naddressType: IPv4\n"
        )
    };
    let mut manifests = Manifests::default();
    after(&mut manifests, "a.yaml", &slice(""));
    assert_eq!(after(&mut manifests, "a.yaml", &("# comment\n".to_owned() + &slice(""))), [""; 0]);
    assert_eq!(after(&mut manifests, "a.yaml", &slice(", generation: 2")), ["+slice default/s of web"]);
}

/// A piece of a file: good, bad, hidden, or about an object that others are about too.
fn document() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    (0..6, name, 1..4_u8).prop_map(|(kind, name, version)| match kind {
        0 => "---\nkind: [\n".to_owned(),
        1 => service(name, "None"),
        2 => format!("---\napiVersion: v1\nkind: Endpoints\nmetadata: {{name: {name}}}\nsubsets: [{{addresses: [{{ip: 10.1.0.{version}}}]}}]\n"),
        _ => service(name, &format!("10.0.0.{version}")),
    })
}

proptest! {
    /// A directory of good files is what it is, whatever it was before.
    #[test]
    fn only_the_last_version_of_good_files_counts(
        history in prop::collection::vec((0..3, prop::collection::vec(document(), 0..4)), 0..8),
        last in prop::collection::vec(prop::collection::vec(document(), 0..4), 3),
    ) {
        let mut manifests = Manifests::default();
        for (file, documents) in &history {
            after(&mut manifests, &format!("{file}.yaml"), &documents.concat());
        }
        let mut fresh = Manifests::default();
        for (file, documents) in last.iter().enumerate() {
            let good: String = documents.iter().filter(|text| !text.contains("kind: [\n")).cloned().collect();
            after(&mut manifests, &format!("{file}.yaml"), &good);
            after(&mut fresh, &format!("{file}.yaml"), &good);
        }
        prop_assert_eq!(manifests.cache.objects(), fresh.cache.objects());
    }

    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut manifests = Manifests::default();
        manifests.put(OsStr::new("a.yaml"), &bytes);
        manifests.changes();
    }
}
