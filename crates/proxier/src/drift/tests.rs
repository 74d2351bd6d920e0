//! What Linux 6.18 told while iptables 1.8.9 and nft changed rules, and what follows from it.
//!
//! Each line: what happened, the family and writer that are to be suspected, the datagrams.

use super::*;

const RECORDED: &str = include_str!("recorded.txt");

fn recorded() -> impl Iterator<Item = (&'static str, Option<Suspicion>, Vec<Vec<u8>>)> {
    RECORDED.lines().map(|line| {
        let parts: Vec<&str> = line.split(" | ").collect();
        let suspicion = parts[1].split_once(' ').map(|(family, writer)| {
            let family = Family::ALL.into_iter().find(|one| one.to_string() == family).unwrap();
            Suspicion { family, writer: writer.parse().unwrap() }
        });
        let bytes = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        (parts[0], suspicion, parts[2].split(' ').map(bytes).collect())
    })
}

#[test]
fn only_what_takes_rules_of_ours_away_is_suspicious() {
    for (what, expected, datagrams) in recorded() {
        let all: BTreeSet<_> = datagrams.iter().flat_map(|datagram| suspicions(datagram).unwrap()).collect();
        assert_eq!(all, expected.into_iter().collect(), "{what}");
    }
}

#[test]
fn no_bytes_are_too_odd() {
    for (what, _, datagrams) in recorded() {
        for datagram in datagrams {
            for end in 0..datagram.len().min(400) {
                let cut = suspicions(&datagram[..end]);
                assert!(end % 4 == 0 || cut.is_err(), "{what}, cut at {end}");
                let mut garbled = datagram.clone();
                garbled[end] ^= 0xff;
                let _no_panic = suspicions(&garbled);
            }
        }
    }
}
