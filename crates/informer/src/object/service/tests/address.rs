//! Which external addresses count, and from where.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

#[test]
fn external_ips() {
    for (list, expected, complained) in [
        ("[]", vec![], vec![]),
        ("['1.2.3.4', 'fd00::1', '1.2.3.4']", vec!["1.2.3.4", "fd00::1", "1.2.3.4"], vec![]),
        ("['192.168.099.022']", vec!["192.168.99.22"], vec![]),
        ("['', '  ', '1.2.3.4']", vec!["1.2.3.4"], vec![]),
        (
            "[' 1.2.3.4', '1.2.3.4/32', 'x']",
            vec![],
            vec!["[0]: \" 1.2.3.4\"", "[1]: \"1.2.3.4/32\"", "[2]: \"x\""],
        ),
    ] {
        let (service, complaints) = with_spec(&format!("externalIPs: {list}"));
        assert_eq!(texts(&service.external_ips), expected, "{list}");
        assert_eq!(service.lists_external_ips, list != "[]", "{list}");
        let complained: Vec<String> = complained
            .iter()
            .map(|what| format!("Service demo/web: spec.externalIPs{what}: is not an IP address"))
            .collect();
        assert_eq!(complaints, complained, "{list}");
    }
}

#[test]
fn load_balancer_ips_do_not_depend_on_the_type() {
    for (ingress, expected, complaint_count) in [
        ("{ip: 1.2.3.004}", vec!["1.2.3.4"], 0),
        ("{ip: 1.2.3.4, ipMode: VIP}", vec!["1.2.3.4"], 0),
        ("{ip: 1.2.3.4, ipMode: null}", vec!["1.2.3.4"], 0),
        ("{ip: 1.2.3.4, ipMode: Proxy}", vec![], 0),
        ("{ip: 1.2.3.4, ipMode: ''}", vec![], 0),
        ("{ip: nonsense, ipMode: Proxy}", vec![], 0),
        ("{hostname: lb.example.com}", vec![], 0),
        ("{ip: fd00::5}, {ip: 1.2.3.4}", vec!["fd00::5", "1.2.3.4"], 0),
        ("{ip: nonsense}, {ip: 1.2.3.4}", vec!["1.2.3.4"], 1),
    ] {
        let (service, complaints) = parse(&format!(
            "spec: {{clusterIP: 10.0.0.1}}\nstatus: {{loadBalancer: {{ingress: [{ingress}]}}}}"
        ));
        assert_eq!(texts(&service.unwrap().load_balancer_ips), expected, "{ingress}");
        assert_eq!(complaints.len(), complaint_count, "{ingress}: {complaints:?}");
        for complaint in complaints {
            assert_eq!(
                complaint,
                "Service demo/web: status.loadBalancer.ingress[0].ip: \"nonsense\": is not an IP address"
            );
        }
    }
}

#[test]
fn source_ranges() {
    for (list, expected, complained) in [
        ("['203.0.113.000/025']", vec!["203.0.113.0/25"], vec![]),
        ("[' 10.1.2.3/8 ', 'fd00::1/64']", vec!["10.0.0.0/8", "fd00::/64"], vec![]),
        ("['0.0.0.0/0']", vec!["0.0.0.0/0"], vec![]),
        ("['', '  ']", vec![], vec![]),
        (
            "['10.0.0.1', '10.0.0.0/33', ' x']",
            vec![],
            vec!["[0]: \"10.0.0.1\"", "[1]: \"10.0.0.0/33\"", "[2]: \" x\""],
        ),
    ] {
        let (service, complaints) = with_spec(&format!("loadBalancerSourceRanges: {list}"));
        assert_eq!(texts(&service.source_ranges), expected, "{list}");
        let complained: Vec<String> = complained
            .iter()
            .map(|what| format!("Service demo/web: spec.loadBalancerSourceRanges{what}: is not a CIDR"))
            .collect();
        assert_eq!(complaints, complained, "{list}");
    }
}

proptest! {
    #[test]
    fn any_ip_is_an_external_ip(address: IpAddr) {
        let (service, complaints) = with_spec(&format!("externalIPs: ['{address}']"));
        prop_assert_eq!(service.external_ips, vec![address.to_canonical()]);
        prop_assert_eq!(complaints, vec![""; 0]);
    }
}
