//! The bytes of ctnetlink: requests out of values, values out of replies. Pure functions; no socket.

pub mod decode;
pub mod encode;

/// Numbers of `linux/netfilter/nfnetlink_conntrack.h` that both directions need.
mod number {
    pub(super) const AF_INET: u8 = 2;
    pub(super) const AF_INET6: u8 = 10;

    pub(super) const CTA_TUPLE_ORIG: u16 = 1;
    pub(super) const CTA_TUPLE_REPLY: u16 = 2;
    pub(super) const CTA_STATUS: u16 = 3;
    pub(super) const CTA_ID: u16 = 12;
    pub(super) const CTA_ZONE: u16 = 18;
    pub(super) const CTA_FILTER: u16 = 25;

    pub(super) const CTA_TUPLE_IP: u16 = 1;
    pub(super) const CTA_TUPLE_PROTO: u16 = 2;
    pub(super) const CTA_TUPLE_ZONE: u16 = 3;
}

#[cfg(test)]
mod tests;
