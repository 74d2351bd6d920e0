//! Turns a string into Go's double-quoted form, in which klog writes messages and values.
//!
//! Knows nothing of log lines.

/// The text in double quotes, as [`push_quoted`] appends it.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::new();
    push_quoted(&mut out, text);
    out
}

/// Appends the text in double quotes, everything unprintable escaped as Go's `strconv.Quote` does.
pub(super) fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        push_escaped(out, char);
    }
    out.push('"');
}

fn push_escaped(out: &mut String, char: char) {
    match char {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(char))),
        ' '..='~' => out.push(char),
        _ if is_printable(char) => out.push(char),
        '\u{80}'..='\u{ffff}' => out.push_str(&format!("\\u{:04x}", u32::from(char))),
        '\u{10000}'..=char::MAX => out.push_str(&format!("\\U{:08x}", u32::from(char))),
    }
}

/// Letters, marks, numbers, punctuation and symbols, but no kind of space.
///
/// The standard library's own notion is the same; it shows only in `escape_debug`, which also escapes a
/// combining mark, unless one stands behind another character.
fn is_printable(char: char) -> bool {
    let mut pair = [b'a', 0, 0, 0, 0];
    let len = char.encode_utf8(&mut pair[1..]).len();
    let pair = std::str::from_utf8(&pair[..=len]).expect("two encoded characters are a string");
    pair.escape_debug().nth(1) == Some(char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_as_go_does() {
        let cases = [
            ("", r#""""#),
            ("plain ~", r#""plain ~""#),
            (r#"a "b" \c"#, r#""a \"b\" \\c""#),
            ("\x07\x08\x0c\n\r\t\x0b", r#""\a\b\f\n\r\t\v""#),
            ("\0\x1b\x7f", r#""\x00\x1b\x7f""#),
            ("it's", r#""it's""#),
            ("grüß 世界 ☺ 😀", r#""grüß 世界 ☺ 😀""#),
            ("e\u{301}", "\"e\u{301}\""),
            ("\u{301}", "\"\u{301}\""),
            ("\u{fffd}", "\"\u{fffd}\""),
            (
                "\u{80}\u{85}\u{a0}\u{ad}\u{200b}\u{2028}\u{feff}",
                r#""\u0080\u0085\u00a0\u00ad\u200b\u2028\ufeff""#,
            ),
            ("\u{e000}\u{e0001}\u{10ffff}", r#""\ue000\U000e0001\U0010ffff""#),
        ];
        for (text, expected) in cases {
            let mut quoted = String::new();
            push_quoted(&mut quoted, text);
            assert_eq!(quoted, expected);
        }
    }
}
