//! EDGE: asks nf_tables how often it was changed, and knows which texts must change it.
//!
//! Knows nothing of who changes it.

use std::io;

use netlink_sys::protocols::NETLINK_NETFILTER;

use crate::netlink;

/// `NFT_MSG_GETGEN`
const GET_GENERATION: u16 = (10 << 8) | 16;
/// `NFTA_GEN_ID`
const ID: u16 = 1;
/// Length of `struct nfgenmsg`.
const HEADER: usize = 4;
/// `NFNL_MSG_BATCH_BEGIN`
const BEGIN: u16 = 16;
/// `NFNL_MSG_BATCH_END`
const END: u16 = 17;
/// A `struct nfgenmsg` for `NFNL_SUBSYS_NFTABLES`, whose number is in network byte order.
const NFTABLES: [u8; HEADER] = [0, 0, 0, 10];

/// A number that each transaction of this network namespace changes which has any effect, whoever asks for it.
///
/// # Errors
/// The kernel does not tell.
pub(crate) fn current() -> io::Result<u32> {
    let told = netlink::request(NETLINK_NETFILTER, GET_GENERATION, &[0; HEADER])?;
    let id = told.get(HEADER..).and_then(|attributes| netlink::find_attribute(attributes, ID));
    let id = id.and_then(|id| id.try_into().ok()).map(u32::from_be_bytes);
    id.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Waits until a transaction that is under way has ended, and was told of: an empty one takes its turn after it, has no
/// effect and does not change the number.
///
/// # Errors
/// The kernel does not take it.
pub(crate) fn settle() -> io::Result<()> {
    netlink::tell(NETLINK_NETFILTER, &[(BEGIN, &NFTABLES), (END, &NFTABLES)])
}

/// Whether a text for iptables-restore cannot be applied without any effect: it adds a rule. To empty what is empty has
/// none.
pub(crate) fn must_change(input: &[u8]) -> bool {
    input.windows(4).any(|begin| begin == b"\n-A ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_added_rule_is_sure_to_have_an_effect() {
        assert!(must_change(b"*nat\n:KUBE-SVC-A - [0:0]\n-A KUBE-SVC-A -j RETURN\nCOMMIT\n"));
        for text in
            ["*nat\nCOMMIT\n", "*nat\n:KUBE-SVC-A - [0:0]\nCOMMIT\n", "*nat\n-X KUBE-SVC-A\nCOMMIT\n", ""]
        {
            assert!(!must_change(text.as_bytes()), "{text}");
        }
    }
}
