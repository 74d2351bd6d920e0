//! Turns a rule that acts on a packet into why it does, in words.
//!
//! Knows nothing of packets: a rule that acts is one whose conditions all hold.

use crate::rule::{Address, Match, Rule};

/// Why the rule acts, one reason for each condition, in their order; none if it acts on every packet.
pub fn reasons(rule: &Rule) -> Vec<String> {
    rule.matches.iter().filter_map(reason).collect()
}

fn reason(condition: &Match) -> Option<String> {
    Some(match condition {
        Match::Comment(_) | Match::Nfacct(_) => return None,
        Match::Protocol(protocol) => format!("it is {}", protocol.name().to_uppercase()),
        Match::Source(address) => format!("it comes from {}", place(address)),
        Match::Destination(address) => format!("it goes to {}", place(address)),
        Match::DestinationPort(port) => format!("it goes to port {port}"),
        Match::SourceLocal => "it comes from an address of the node".to_owned(),
        Match::DestinationLocal => "it goes to an address of the node".to_owned(),
        Match::InInterface { name, inverted: false } => format!("it is taken to come in by {name}"),
        Match::InInterface { name, inverted: true } => format!("it is taken not to come in by {name}"),
        Match::OneIn(n) => format!("the lot falls on it, one time in {n}"),
        Match::RecentSet { .. } => "its client is noted, for session affinity".to_owned(),
        // These depend on what was before, and never hold for the packets that are walked through rules.
        Match::RecentCheck { seconds, .. } => format!("its client was here within {seconds} s"),
        Match::Mark { .. } => "of its mark".to_owned(),
        Match::ConntrackState { .. } => "of the state of its connection".to_owned(),
    })
}

fn place(address: &Address) -> String {
    let Address { net, inverted, .. } = address;
    let is_host = net.prefix_len() == net.max_prefix_len();
    let place = if is_host { net.addr().to_string() } else { format!("inside of {net}") };
    if *inverted { place.replacen("inside", "outside", 1) } else { place }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Target;

    #[test]
    fn each_condition_has_its_words() {
        let net = |text: &str| text.parse().unwrap();
        let rule = Rule::new(
            [
                Match::Comment("demo/web".into()),
                Match::Protocol(informer::object::Protocol::Udp),
                Match::Source(Address::outside(net("10.244.0.0/16"))),
                Match::Destination(Address::within(net("10.96.0.10/32"))),
                Match::DestinationPort(53),
                Match::DestinationLocal,
                Match::OneIn(3),
            ],
            Target::Accept,
        );
        let expected = [
            "it is UDP",
            "it comes from outside of 10.244.0.0/16",
            "it goes to 10.96.0.10",
            "it goes to port 53",
            "it goes to an address of the node",
            "the lot falls on it, one time in 3",
        ];
        assert_eq!(reasons(&rule), expected);
        assert_eq!(reasons(&Rule::new([], Target::Drop)), Vec::<String>::new());
    }
}
