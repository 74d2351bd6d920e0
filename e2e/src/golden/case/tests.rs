//! Reads small cases, and all recorded ones.

use super::*;

#[test]
fn documents_keep_their_text() {
    let text = "# first\nkind: Service\nmetadata: {name: a, namespace: x}\n---\n\n---\nkind: Node\nmetadata:\n  name: 'b'\n";
    let documents = documents(text).unwrap();
    let [service, node] = documents.as_slice() else { panic!("{documents:?}") };
    assert_eq!(service.text, "# first\nkind: Service\nmetadata: {name: a, namespace: x}\n");
    assert_eq!((service.namespace.as_str(), service.name.as_str()), ("x", "a"));
    assert_eq!((node.kind.as_str(), node.namespace.as_str(), node.name.as_str()), ("Node", "", "b"));
}

#[test]
fn only_the_annotation_deletes() {
    let deletes = |text: &str| document(text.to_owned()).unwrap().unwrap().deletes();
    assert!(deletes("kind: Service\nmetadata: {name: a, annotations: {golden/delete: 'true'}}"));
    assert!(!deletes("kind: Service\nmetadata: {name: a, annotations: {golden/delete: 'false'}}"));
    assert!(!deletes("kind: Service\nmetadata: {name: a}"));
}

#[test]
fn a_configuration_keeps_what_it_says() {
    let text = configuration("mode: iptables\niptables: {minSyncPeriod: 1s}\nconntrack:\n").unwrap();
    let config: Value = serde_yaml::from_str(&text).unwrap();
    assert_eq!(config["iptables"]["minSyncPeriod"], "1s");
    assert_eq!(config["conntrack"]["maxPerCore"], 0);
    let text = configuration("iptables: {masqueradeAll: true}\n").unwrap();
    let config: Value = serde_yaml::from_str(&text).unwrap();
    assert_eq!(config["iptables"]["minSyncPeriod"], "100ms");
    assert_eq!(config["iptables"]["masqueradeAll"], true);
}

#[test]
fn all_recorded_cases_can_be_read() {
    let cases = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")).unwrap();
    assert!(cases.len() >= 59, "only {} cases", cases.len());
    for folder in cases {
        let case = Case::read(&folder).unwrap();
        assert!(!case.sysctls.is_empty(), "{}", case.name);
        assert!(case.steps.len() == 1 || case.name.starts_with("steps-"), "{}", case.name);
    }
}
