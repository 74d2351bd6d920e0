//! Turns the bytes of a document into a number that differs when they differ.
//!
//! Knows nothing of what the bytes mean.

use std::io;

/// The 64-bit FNV-1a hash of all bytes written to it: the same in every process and every version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut fingerprint = Self::default();
        fingerprint.take(bytes);
        fingerprint
    }

    /// The hash.
    pub fn value(self) -> u64 {
        self.0
    }

    fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl io::Write for Fingerprint {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::Fingerprint;

    #[test]
    fn matches_published_values() {
        for (text, expected) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(Fingerprint::of(text.as_bytes()).value(), expected, "{text:?}");
        }
    }

    #[test]
    fn does_not_depend_on_how_the_bytes_arrive() {
        let mut fingerprint = Fingerprint::default();
        fingerprint.write_all(b"foo").unwrap();
        fingerprint.write_all(b"bar").unwrap();
        assert_eq!(fingerprint, Fingerprint::of(b"foobar"));
    }
}
