//! Tables, and the names of chains.
//!
//! The one place that builds a name the kernel will see.

use std::fmt;

use data_encoding::BASE32;
use sha2::{Digest, Sha256};

/// A table that has chains of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Only the canary lives here.
    Mangle,
    /// Refusals, health-check accepts, forwarding.
    Filter,
    /// Dispatch to endpoints.
    Nat,
}

impl Table {
    /// The name as iptables spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mangle => "mangle",
            Self::Filter => "filter",
            Self::Nat => "nat",
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a chain of one service port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// `KUBE-SVC-`: spreads over the "Cluster" endpoints.
    Cluster,
    /// `KUBE-SVL-`: spreads over the "Local" endpoints.
    Local,
    /// `KUBE-EXT-`: entry point of node port, external IP and load balancer IP.
    External,
    /// `KUBE-FW-`: source-range filter of load balancer IPs.
    Firewall,
    /// `KUBE-SEP-`: one endpoint.
    Endpoint,
}

impl Role {
    const ALL: [Self; 5] = [Self::Cluster, Self::Local, Self::External, Self::Firewall, Self::Endpoint];

    fn prefix(self) -> &'static str {
        match self {
            Self::Cluster => "KUBE-SVC-",
            Self::Local => "KUBE-SVL-",
            Self::External => "KUBE-EXT-",
            Self::Firewall => "KUBE-FW-",
            Self::Endpoint => "KUBE-SEP-",
        }
    }
}

/// First 16 characters of the base32 text of a SHA-256: what tells the chains of service ports apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainHash([u8; 16]);

impl ChainHash {
    /// The hash of the parts, put together without separators.
    pub fn of(parts: &[&str]) -> Self {
        let mut sha = Sha256::new();
        for part in parts {
            sha.update(part.as_bytes());
        }
        let mut text = [0; 16];
        BASE32.encode_mut(&sha.finalize()[..10], &mut text);
        Self(text)
    }
}

/// The name of a chain.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChainName(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Fixed(&'static str),
    Hashed(Role, ChainHash),
    Foreign(Box<str>),
}

impl ChainName {
    /// Refusals of cluster IPs (filter), dispatch by destination (nat).
    pub const KUBE_SERVICES: Self = Self(Repr::Fixed("KUBE-SERVICES"));
    /// Refusals of external IPs, load balancer IPs and node ports.
    pub const KUBE_EXTERNAL_SERVICES: Self = Self(Repr::Fixed("KUBE-EXTERNAL-SERVICES"));
    /// Health-check accepts (filter), node-port dispatch (nat).
    pub const KUBE_NODEPORTS: Self = Self(Repr::Fixed("KUBE-NODEPORTS"));
    /// What is forwarded whatever the policy of FORWARD.
    pub const KUBE_FORWARD: Self = Self(Repr::Fixed("KUBE-FORWARD"));
    /// Refusal of what no source range admits.
    pub const KUBE_PROXY_FIREWALL: Self = Self(Repr::Fixed("KUBE-PROXY-FIREWALL"));
    /// The anti-martian rule; shared with the kubelet.
    pub const KUBE_FIREWALL: Self = Self(Repr::Fixed("KUBE-FIREWALL"));
    /// Masquerading of marked packets.
    pub const KUBE_POSTROUTING: Self = Self(Repr::Fixed("KUBE-POSTROUTING"));
    /// Marks packets for masquerading.
    pub const KUBE_MARK_MASQ: Self = Self(Repr::Fixed("KUBE-MARK-MASQ"));
    /// Always empty; its absence tells that somebody flushed the tables.
    pub const KUBE_PROXY_CANARY: Self = Self(Repr::Fixed("KUBE-PROXY-CANARY"));
    /// Built in.
    pub const PREROUTING: Self = Self(Repr::Fixed("PREROUTING"));
    /// Built in.
    pub const INPUT: Self = Self(Repr::Fixed("INPUT"));
    /// Built in.
    pub const FORWARD: Self = Self(Repr::Fixed("FORWARD"));
    /// Built in.
    pub const OUTPUT: Self = Self(Repr::Fixed("OUTPUT"));
    /// Built in.
    pub const POSTROUTING: Self = Self(Repr::Fixed("POSTROUTING"));

    const FIXED: [Self; 14] = [
        Self::KUBE_SERVICES,
        Self::KUBE_EXTERNAL_SERVICES,
        Self::KUBE_NODEPORTS,
        Self::KUBE_FORWARD,
        Self::KUBE_PROXY_FIREWALL,
        Self::KUBE_FIREWALL,
        Self::KUBE_POSTROUTING,
        Self::KUBE_MARK_MASQ,
        Self::KUBE_PROXY_CANARY,
        Self::PREROUTING,
        Self::INPUT,
        Self::FORWARD,
        Self::OUTPUT,
        Self::POSTROUTING,
    ];

    /// The chain of one service port, or of one endpoint, for a role.
    pub fn hashed(role: Role, hash: ChainHash) -> Self {
        Self(Repr::Hashed(role, hash))
    }

    /// The name that stands in a save; any text is a name.
    pub fn parse(text: &str) -> Self {
        for fixed in &Self::FIXED {
            if fixed.parts().0 == text {
                return fixed.clone();
            }
        }
        for role in Role::ALL {
            let hash = text.strip_prefix(role.prefix()).and_then(|rest| rest.as_bytes().try_into().ok());
            if let Some(hash) = hash {
                return Self::hashed(role, ChainHash(hash));
            }
        }
        Self(Repr::Foreign(text.into()))
    }

    /// Whether [`Self::parse`] makes it of this text.
    pub fn is(&self, text: &str) -> bool {
        let (prefix, rest) = self.parts();
        text.as_bytes().strip_prefix(prefix.as_bytes()) == Some(rest)
    }

    /// What a chain of a service port is for, by the beginning of its name.
    pub fn role(&self) -> Option<Role> {
        match &self.0 {
            Repr::Hashed(role, _) => Some(*role),
            Repr::Fixed(_) => None,
            Repr::Foreign(name) => Role::ALL.into_iter().find(|role| name.starts_with(role.prefix())),
        }
    }

    /// Whether kube-proxy, and nobody else, makes chains with this beginning: such a chain is
    /// deleted when no service port wants it.
    pub fn is_of_service_port(&self) -> bool {
        self.role().is_some()
    }

    /// Whether kube-proxy makes chains of this name.
    pub fn is_ours(&self) -> bool {
        match &self.0 {
            Repr::Fixed(name) => name.starts_with("KUBE-"),
            Repr::Hashed(..) | Repr::Foreign(_) => self.is_of_service_port(),
        }
    }

    /// Appends the name to a text for iptables-restore.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (prefix, rest) = self.parts();
        out.extend_from_slice(prefix.as_bytes());
        out.extend_from_slice(rest);
    }

    fn parts(&self) -> (&str, &[u8]) {
        match &self.0 {
            Repr::Fixed(name) => (name, &[]),
            Repr::Hashed(role, hash) => (role.prefix(), &hash.0),
            Repr::Foreign(name) => (name, &[]),
        }
    }

    fn bytes(&self) -> impl Iterator<Item = &u8> {
        let (prefix, rest) = self.parts();
        prefix.as_bytes().iter().chain(rest)
    }
}

/// By the bytes of the name, as iptables sorts chains.
impl Ord for ChainName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (&self.0, &other.0) {
            // Most names are such. No prefix begins with another one, so that prefixes decide unless they are equal.
            (Repr::Hashed(one_role, one), Repr::Hashed(other_role, other)) => {
                one_role.prefix().cmp(other_role.prefix()).then(one.0.cmp(&other.0))
            }
            _ => self.bytes().cmp(other.bytes()),
        }
    }
}

impl PartialOrd for ChainName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ChainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, rest) = self.parts();
        f.write_str(prefix)?;
        f.write_str(std::str::from_utf8(rest).expect("a hash is of base32 letters, or was parsed from text"))
    }
}

impl fmt::Debug for ChainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_kube_proxy() {
        for (text, hash) in [
            ("default/kubernetes:httpstcp", "NPX46M4PTMTKRN6Y"),
            ("kube-system/kube-dns:dnsudp", "TCOU7JCQXEZGVUNU"),
            ("kube-system/kube-dns:dns-tcptcp", "ERIFXISQEP7F7OF4"),
            ("ns1/svc1:p80tcp", "XPGD46QRK7WJZT7O"),
            ("ns1/svc1:p80sctp", "GFCIFIA5VTFSTMSM"),
            ("ns1/svc1tcp", "AQI2S6QIMU7PVVRP"),
            ("ns1/svc1:p80tcp10.180.0.1:80", "SXIVWICOYRO3J4NJ"),
            ("ns1/svc1tcp10.0.1.1:80", "3JOIVZTXZZRGORX4"),
            ("ns1/svc1:p80tcp[fd00:10:180::1]:80", "OGYCNMB4EMRUSJ6N"),
        ] {
            let name = ChainName::hashed(Role::Cluster, ChainHash::of(&[text]));
            assert_eq!(name.to_string(), format!("KUBE-SVC-{hash}"), "{text}");
        }
    }

    #[test]
    fn a_name_survives_printing_and_parsing() {
        for text in ["KUBE-SERVICES", "INPUT", "KUBE-SEP-SXIVWICOYRO3J4NJ", "KUBE-SEP-odd", "cali-x", ""] {
            assert_eq!(ChainName::parse(text).to_string(), text);
        }
        let multibyte = "KUBE-SEP-ääääääää";
        assert_eq!(ChainName::parse(multibyte).to_string(), multibyte);
    }

    #[test]
    fn order_is_that_of_the_text() {
        let mut names: Vec<_> =
            ["KUBE-SVC-A", "KUBE-SEP-SXIVWICOYRO3J4NJ", "KUBE-MARK-MASQ", "KUBE-SERVICES", "Z"]
                .map(ChainName::parse)
                .into();
        names.sort();
        let texts: Vec<_> = names.iter().map(ChainName::to_string).collect();
        assert_eq!(
            texts,
            ["KUBE-MARK-MASQ", "KUBE-SEP-SXIVWICOYRO3J4NJ", "KUBE-SERVICES", "KUBE-SVC-A", "Z"]
        );
    }

    #[test]
    fn hashed_names_are_ordered_as_their_texts() {
        let hashes = [ChainHash::of(&["a"]), ChainHash::of(&["b"])];
        let names = Role::ALL.into_iter().flat_map(|role| hashes.map(|hash| ChainName::hashed(role, hash)));
        let names: Vec<_> = names.collect();
        for (one, other) in names.iter().flat_map(|one| names.iter().map(move |other| (one, other))) {
            assert_eq!(one.cmp(other), one.to_string().cmp(&other.to_string()), "{one} {other}");
        }
    }

    #[test]
    fn chains_of_service_ports_are_told_by_their_beginning() {
        for (text, expected) in [
            ("KUBE-SVC-X", true),
            ("KUBE-FW-67NZLRHBNDSAWJRO", true),
            ("KUBE-SERVICES", false),
            ("cali-x", false),
        ] {
            assert_eq!(ChainName::parse(text).is_of_service_port(), expected, "{text}");
        }
    }

    #[test]
    fn chains_of_others_are_not_ours() {
        for (text, expected) in [
            ("KUBE-SVC-X", true),
            ("KUBE-SERVICES", true),
            ("KUBE-PROXY-CANARY", true),
            ("KUBE-KUBELET-CANARY", false),
            ("KUBE-IPTABLES-HINT", false),
            ("PREROUTING", false),
            ("cali-x", false),
        ] {
            assert_eq!(ChainName::parse(text).is_ours(), expected, "{text}");
        }
    }
}
