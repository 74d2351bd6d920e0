//! Turns the bytes of a kubeconfig into its text, in the encodings that editors write.
//!
//! Knows nothing of what the text says.

/// UTF-8, or UTF-16 where the first two bytes say so; the mark at the beginning is no part of it.
pub(super) fn decode(bytes: &[u8]) -> Result<String, &'static str> {
    match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] | rest => {
            std::str::from_utf8(rest).map(str::to_owned).map_err(|_| "is not UTF-8")
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, &'static str> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text = char::decode_utf16(pairs.iter().copied().map(unit)).collect::<Result<String, _>>();
    text.ok().filter(|_| rest.is_empty()).ok_or("begins as UTF-16 and is not")
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn text_is_what_its_mark_says() {
        for bytes in [&b"a\xC3\xA9"[..], b"\xEF\xBB\xBFa\xC3\xA9", b"\xFF\xFEa\0\xE9\0", b"\xFE\xFF\0a\0\xE9"]
        {
            assert_eq!(decode(bytes), Ok("a\u{e9}".to_owned()), "{bytes:x?}");
        }
        assert_eq!(decode(b""), Ok(String::new()));
    }

    #[test]
    fn text_that_is_cut_short_is_none() {
        for bytes in [&b"\xFF\xFEa"[..], b"\xFF\xFEa\0\xE9", b"\xFE\xFF\0", b"\xFF\xFE\x3D\xD8"] {
            assert_eq!(decode(bytes), Err("begins as UTF-16 and is not"), "{bytes:x?}");
        }
        assert_eq!(decode(b"a\xC3"), Err("is not UTF-8"));
        assert_eq!(decode(b"\xFF"), Err("is not UTF-8"));
    }
}
