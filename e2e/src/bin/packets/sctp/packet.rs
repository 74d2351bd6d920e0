//! Turns the first two packets of an SCTP association into bytes and back (RFC 9260, sections 3.1, 3.3.2 and 3.3.3).
//!
//! Does not know how they are sent. The checksum is made and checked, since connection tracking drops wrong ones.

use anyhow::{Context, Result, bail, ensure};

/// An SCTP packet with one chunk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Packet {
    pub(super) from: u16,
    pub(super) to: u16,
    /// The tag that the receiver has chosen; 0 before it has.
    pub(super) tag: u32,
    pub(super) chunk: Chunk,
}

/// What the packet says, with the tag that its sender chooses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Chunk {
    Init { tag: u32 },
    InitAck { tag: u32 },
}

const CHECKSUM: std::ops::Range<usize> = 8..12;
const LENGTH: usize = 32;

impl Packet {
    pub(super) fn bytes(self) -> Vec<u8> {
        let (kind, tag) = match self.chunk {
            Chunk::Init { tag } => (1, tag),
            Chunk::InitAck { tag } => (2, tag),
        };
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend(self.from.to_be_bytes());
        bytes.extend(self.to.to_be_bytes());
        bytes.extend(self.tag.to_be_bytes());
        bytes.extend([0; 4]); // the checksum, below
        bytes.extend([kind, 0, 0, 20]); // no flags; the length of the chunk
        bytes.extend(tag.to_be_bytes());
        bytes.extend(65_536_u32.to_be_bytes()); // receive window
        bytes.extend([0, 1, 0, 1]); // streams out and in
        bytes.extend(1_u32.to_be_bytes()); // first sequence number
        let checksum = crc32c(&bytes);
        bytes[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Packet> {
        ensure!(bytes.len() == LENGTH, "{} bytes", bytes.len());
        let mut unsigned = bytes.to_vec();
        unsigned[CHECKSUM].fill(0);
        ensure!(bytes[CHECKSUM] == crc32c(&unsigned).to_le_bytes(), "wrong checksum");
        let tag = long(bytes, 16)?;
        let chunk = match bytes[12] {
            1 => Chunk::Init { tag },
            2 => Chunk::InitAck { tag },
            kind => bail!("chunk of type {kind}"),
        };
        Ok(Packet { from: short(bytes, 0)?, to: short(bytes, 2)?, tag: long(bytes, 4)?, chunk })
    }
}

fn short(bytes: &[u8], at: usize) -> Result<u16> {
    bytes[at..].first_chunk().copied().map(u16::from_be_bytes).context("too short")
}

fn long(bytes: &[u8], at: usize) -> Result<u32> {
    bytes[at..].first_chunk().copied().map(u32::from_be_bytes).context("too short")
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let shift = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc32c() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn what_is_written_is_read() {
        let packet = Packet { from: 5000, to: 80, tag: 7, chunk: Chunk::InitAck { tag: 9 } };
        assert_eq!(Packet::read(&packet.bytes()).unwrap(), packet);
    }

    #[test]
    fn a_changed_packet_is_refused() {
        let mut bytes = Packet { from: 5000, to: 80, tag: 0, chunk: Chunk::Init { tag: 9 } }.bytes();
        bytes[3] ^= 1;
        assert_eq!(Packet::read(&bytes).unwrap_err().to_string(), "wrong checksum");
    }
}
