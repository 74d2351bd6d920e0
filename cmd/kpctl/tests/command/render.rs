//! `kpctl render`.

use std::fmt::Write;
use std::io::{BufRead, BufReader, Read};

use crate::stage::{kpctl, manifests, run};

fn service(name: &str, address: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: demo}}\n\
         spec: {{clusterIP: {address}, ports: [{{port: 80}}]}}\n"
    )
}

#[test]
fn good_manifests_end_well_and_without_a_word() {
    let folder = manifests(&service("web", "10.96.0.10"));
    let place = folder.path().to_str().unwrap();
    let (code, rules, said) = run(&["render", "--manifests", place, "--node", "n1", "--family", "IPv4"]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(rules.starts_with("*filter\n"), "{rules}");
    assert!(rules.contains("demo/web has no endpoints"), "{rules}");
    let (code, rules, said) = run(&["render", "--manifests", place, "--node", "n1"]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let tools: Vec<&str> = rules.lines().filter(|line| line.starts_with('#')).collect();
    let expected =
        ["# IPv4: iptables-restore --noflush --counters", "# IPv6: ip6tables-restore --noflush --counters"];
    assert_eq!(tools, expected);
}

#[test]
fn complaints_leave_the_rest_and_show_in_the_exit_code() {
    let folder = manifests(&(service("web", "10.96.0.10") + &service("bad", "10.96.0.300")));
    let place = folder.path().to_str().unwrap();
    let (code, rules, said) = run(&["render", "--manifests", place, "--family", "IPv4"]);
    assert_eq!(code, Some(3));
    assert!(rules.contains("demo/web") && !rules.contains("demo/bad"), "{rules}");
    let expected = "kpctl: objects.yaml document 2: Service demo/bad: spec.clusterIPs[0]: \"10.96.0.300\": \
                    is not an IPv4 address\n";
    assert_eq!(said, expected);

    let config = folder.path().join("config.conf");
    let text = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmdoe: iptables\n";
    std::fs::write(&config, text).unwrap();
    std::fs::write(folder.path().join("objects.yaml"), service("web", "10.96.0.10")).unwrap();
    let (code, rules, said) = run(&["render", "--manifests", place, "--config", config.to_str().unwrap()]);
    assert_eq!(code, Some(3), "{said}");
    assert!(rules.contains("demo/web") && said.contains("mdoe"), "{said}\n{rules}");
}

#[test]
fn without_a_directory_there_is_nothing() {
    let (code, rules, said) = run(&["render", "--manifests", "/nowhere"]);
    assert_eq!((code, rules.as_str()), (Some(1), ""));
    assert!(said.starts_with("kpctl: can't read /nowhere: "), "{said}");
    assert_eq!(run(&["render"]).0, Some(2));
}

#[test]
fn whoever_reads_no_further_hears_nothing() {
    let mut text = String::new();
    for number in 0..2000 {
        write!(
            text,
            "{}",
            service(&format!("web-{number}"), &format!("10.96.{}.{}", number / 200, 1 + number % 200))
        )
        .unwrap();
    }
    let folder = manifests(&text);
    let mut child = kpctl(&["render", "--manifests", folder.path().to_str().unwrap(), "--family", "IPv4"])
        .spawn()
        .unwrap();
    // More follows than a pipe holds.
    let mut line = String::new();
    BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "*filter\n");
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}
