//! Turns numbers into conntrack entries of a busy node that have nothing to do with any Service.
//!
//! Does not make them: that is `table`.

use std::net::SocketAddr;

use conntrack::flow::Protocol;

use super::table::New;

/// A client of its own for each number up to some millions; it exists only in the table.
pub fn client(number: u32) -> SocketAddr {
    let [_, a, b, c] = (number >> 4).to_be_bytes();
    SocketAddr::from(([10, 64 + a, b, c], 1024 + u16::try_from(number & 15).expect("four bits")))
}

/// An entry of that client with somebody outside: of five, one is UDP, and the others are TCP.
pub fn elsewhere(number: u32) -> New {
    let outside = SocketAddr::from(([198, 51, 100, 1], 53));
    match number % 5 {
        0 => New::udp(client(number), outside, 0).to(([198, 51, 100, 2], 53).into()).replied(),
        _ => New::udp(client(number), outside, 0).of(Protocol::TCP),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_numbers_share_a_client() {
        let numbers = (0..100).chain(999_900..1_000_000).chain(3_000_000..3_000_100);
        assert_eq!(numbers.map(client).collect::<BTreeSet<_>>().len(), 300);
    }
}
