//! Reads what a tool said for whether the thing that it was to delete is not there.
//!
//! Knows nothing of which tool it was.

/// Fragments of what iptables (both variants), ipset and the C library say.
const ABSENCE: [&str; 4] = [
    "No chain/target/match by that name",
    "No such file or directory",
    "does a matching rule exist",
    "does not exist",
];

/// Whether a tool failed only because the thing it was to delete is not there.
pub(super) fn is_told_by(text: &str) -> bool {
    ABSENCE.iter().any(|fragment| text.contains(fragment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_is_told_from_other_failures() {
        for (text, expected) in [
            ("iptables: No chain/target/match by that name.", true),
            (
                "iptables v1.8.9 (legacy): Couldn't load target `KUBE-SERVICES':No such file or directory",
                true,
            ),
            ("iptables: Bad rule (does a matching rule exist in that chain?).", true),
            ("iptables v1.8.9 (nf_tables): Chain 'KUBE-SERVICES' does not exist", true),
            ("ipset v7.17: The set with the given name does not exist", true),
            ("iptables v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied", false),
            ("Another app is currently holding the xtables lock; still 4s 0us time ahead", false),
            ("ipset v7.17: Set cannot be destroyed: it is in use by a kernel component", false),
            ("", false),
        ] {
            assert_eq!(is_told_by(text), expected, "{text}");
        }
    }
}
