//! Addresses to listen on, of nodes and of Pods.

use super::*;

#[test]
fn bind_address() {
    assert_eq!(checked(|c| c.bind_address = "010.0.0.1".into()).bind_address.to_string(), "10.0.0.1");
    for bad in ["", "10.0.0.1:80", "[::]", "localhost"] {
        let found = wrong(|c| c.bind_address = bad.into());
        let start = format!("KubeProxyConfiguration.BindAddress: Invalid value: \"{bad}\": must be an IP");
        assert!(found.starts_with(&start), "{found}");
    }
}

#[test]
fn listen_addresses() {
    let none = checked(|c| {
        c.healthz_bind_address.clear();
        c.metrics_bind_address.clear();
    });
    assert_eq!((none.healthz_bind_address, none.metrics_bind_address), (None, None));
    for (text, value, reason) in [
        ("1.2.3.4", "1.2.3.4", "must be IP:port"),
        ("localhost:80", "localhost", "must be an IP address"),
        (":80", "", "must be an IP address"),
        ("1.2.3.4:0", "0", "must be a port number from 1 to 65535"),
        ("[::1]:http", "http", "must be a port number from 1 to 65535"),
    ] {
        assert_eq!(
            wrong(|c| c.healthz_bind_address = text.into()),
            format!("KubeProxyConfiguration.HealthzBindAddress: Invalid value: \"{value}\": {reason}")
        );
        assert_eq!(
            wrong(|c| c.metrics_bind_address = text.into()),
            format!("KubeProxyConfiguration.MetricsBindAddress: Invalid value: \"{value}\": {reason}")
        );
    }
}

#[test]
fn node_port_addresses() {
    let with = |list: &[&str]| {
        let list = texts(list);
        checked(|c| c.node_port_addresses = Some(list)).node_port_addresses
    };
    assert_eq!(with(&[]), NodePortAddresses::All);
    assert_eq!(with(&["primary"]), NodePortAddresses::Primary);
    let cidrs = ["10.0.0.0/8", "fd00::/64"].map(|text| text.parse().unwrap());
    assert_eq!(with(&["10.1.1.1/8", "fd00::9/64"]), NodePortAddresses::Cidrs(cidrs.into()));
    assert_eq!(
        wrong(|c| c.node_port_addresses = Some(texts(&["10.0.0.1", "primary", "nonsense"]))),
        "[KubeProxyConfiguration.NodePortAddresses[0]: Invalid value: \"10.0.0.1\": \
         must be a CIDR block such as 10.100.0.0/16 or fde4:8dba:82e1::/48, \
         KubeProxyConfiguration.NodePortAddresses[1]: Invalid value: \"primary\": \
         must be the only element if it is used]"
    );
    assert!(wrong(|c| c.node_port_addresses = Some(texts(&["primary", "primary"]))).contains("[0]"));
}

#[test]
fn detect_local_modes() {
    let bridge = |name: &str| {
        let name = name.to_owned();
        move |c: &mut Config| {
            c.detect_local_mode = DetectLocalMode::BridgeInterface;
            c.detect_local.bridge_interface = name;
        }
    };
    let prefix = |name: &str| {
        let name = name.to_owned();
        move |c: &mut Config| {
            c.detect_local_mode = DetectLocalMode::InterfaceNamePrefix;
            c.detect_local.interface_name_prefix = name;
        }
    };
    assert_eq!(checked(bridge("br0")).detect_local, DetectLocal::BridgeInterface("br0".into()));
    assert_eq!(checked(prefix("veth")).detect_local, DetectLocal::InterfaceNamePrefix("veth".into()));
    let node_cidr = checked(|c| c.detect_local_mode = DetectLocalMode::NodeCidr);
    assert_eq!(node_cidr.detect_local, DetectLocal::NodeCidr);
    let path = "KubeProxyConfiguration.DetectLocalConfiguration";
    let reason = "Invalid value: \"\": must not be empty in this mode";
    assert_eq!(wrong(bridge("")), format!("{path}.InterfaceName: {reason}"));
    assert_eq!(wrong(prefix("")), format!("{path}.InterfacePrefix: {reason}"));
    for name in ["br\n0", "br 0", "br\t", "br/0", "br:0", "br\"", "br'", "br\\", "br\u{85}"] {
        assert!(wrong(bridge(name)).contains("InterfaceName: Invalid value"), "{name:?}");
        assert!(wrong(prefix(name)).contains("InterfacePrefix: Invalid value"), "{name:?}");
    }
    checked(bridge("fifteen-letters"));
    assert!(wrong(bridge("sixteen--letters")).contains("must be shorter"));
    // iptables counts the plus sign behind it.
    checked(prefix("fourteen-bytes"));
    assert!(wrong(prefix("fifteen-letters")).contains("must be shorter"));
    assert_eq!(
        wrong(|c| c.detect_local_mode = "Guess".into()),
        "KubeProxyConfiguration.DetectLocalMode: Unsupported value: \"Guess\": supported values: \
         \"ClusterCIDR\", \"NodeCIDR\", \"BridgeInterface\", \"InterfaceNamePrefix\", \"\""
    );
}

#[test]
fn cluster_cidrs() {
    let found = |list: &[&str]| {
        let list = texts(list);
        wrong(|c| c.cluster_cidrs = list)
    };
    let path = "KubeProxyConfiguration.DetectLocalConfiguration.ClusterCIDRs";
    let both = checked(|c| c.cluster_cidrs = texts(&["fd00::1/64", "10.244.9.9/16"])).detect_local;
    let cidrs = ["fd00::/64", "10.244.0.0/16"].map(|text| text.parse().unwrap());
    assert_eq!(both, DetectLocal::ClusterCidr(cidrs.into()));
    let bad = found(&["10.0.0.0/8", " fd00::/64"]);
    assert!(bad.starts_with(&format!("{path}[1]: Invalid value: \" fd00::/64\": must be a CIDR")), "{bad}");
    let empty = found(&[""]);
    assert!(empty.starts_with(&format!("{path}[0]: Invalid value: \"\": must be a CIDR")), "{empty}");
    assert_eq!(
        found(&["10.0.0.0/8", "10.1.0.0/16"]),
        format!(
            "{path}: Invalid value: [\"10.0.0.0/8\",\"10.1.0.0/16\"]: \
             must be of different families, one IPv4 and one IPv6"
        )
    );
    let three = found(&["10.0.0.0/8", "fd00::/64", "10.1.0.0/16"]);
    assert!(three.starts_with(&format!("{path}: Invalid value: [\"10.0.0.0/8\",")), "{three}");
    let ignored = wrong(|c| {
        c.detect_local_mode = DetectLocalMode::NodeCidr;
        c.cluster_cidrs = texts(&["nonsense"]);
    });
    assert_eq!(ignored, "");
}
