//! Splits a rule's text into words, as iptables-restore does.
//!
//! Knows nothing of what the words mean.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// The words of a text: between blanks, or between double quotes with backslash as the escape.
pub(super) struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.trim_ascii() }
    }

    /// What is not read yet. A quote that nobody closes is never read.
    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Self::Item> {
        let (word, rest) = match self.rest.strip_prefix('"') {
            Some(quoted) => split_quoted(quoted)?,
            None => split_plain(self.rest)?,
        };
        self.rest = rest.trim_ascii_start();
        Some(word)
    }
}

fn split_plain(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let (word, rest) = split_word(text);
    (!word.is_empty()).then_some((Cow::Borrowed(word), rest))
}

/// The text up to the first blank, and the rest.
pub(super) fn split_word(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| byte.is_ascii_whitespace());
    text.split_at(end.unwrap_or(text.len()))
}

/// The text begins behind the opening quote.
fn split_quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let special = memchr2(b'"', b'\\', text.as_bytes())?;
    if text[special..].starts_with('"') {
        return Some((Cow::Borrowed(&text[..special]), &text[special + 1..]));
    }
    let mut word = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((Cow::Owned(word), &text[at + 1..])),
            '\\' => word.push(chars.next()?.1),
            _ => word.push(c),
        }
    }
    None
}

/// Options whose value iptables-save prints between quotes as it is, line breaks and all. Other names may hold a quote
/// that nobody closes.
const STRINGS: [&str; 3] = ["--comment ", "--helper ", "--path "];

/// Whether a line of a rule ends within the quotes of a string. It may begin within those of one that began before.
pub(super) fn ends_in_string(line: &str, begins_inside: bool) -> bool {
    let mut rest = line;
    let mut is_inside = begins_inside;
    loop {
        if is_inside {
            let Some(end) = end_of_string(rest) else { return true };
            rest = &rest[end..];
        }
        let Some(quote) = memchr(b'"', rest.as_bytes()) else { return false };
        is_inside = STRINGS.iter().any(|option| rest[..quote].ends_with(option));
        rest = &rest[quote + 1..];
    }
}

/// Where a string ends: behind its closing quote.
fn end_of_string(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    let is_end = |byte: u8| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    };
    text.bytes().position(is_end).map(|quote| quote + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_at_blanks_and_quotes() {
        for (text, words, rest) in [
            ("", &[][..], ""),
            (" a  b\t", &["a", "b"], ""),
            (r#"--comment "a b" -j X"#, &["--comment", "a b", "-j", "X"], ""),
            (r#""a \"b\" \\ it\'s" c"#, &[r#"a "b" \ it's"#, "c"], ""),
            (r#""" x"#, &["", "x"], ""),
            (r#"a "b"#, &["a"], r#""b"#),
            (r#"a "b\"#, &["a"], r#""b\"#),
            (r#"it's "ü""#, &["it's", "ü"], ""),
        ] {
            let mut split = Words::new(text);
            assert_eq!(split.by_ref().collect::<Vec<_>>(), words, "{text}");
            assert_eq!(split.rest(), rest, "{text}");
        }
    }

    #[test]
    fn strings_go_on_where_nobody_closes_them() {
        for (line, begins_inside, ends_inside) in [
            (r#"-A X -m comment --comment "a b" -j Y"#, false, false),
            (r#"-A X -m comment --comment "a"#, false, true),
            ("COMMIT", true, true),
            (r#"b" -j Y"#, true, false),
            (r#"b" -m comment --comment "c"#, true, true),
            (r#"b" -m helper --helper "c" -j Y"#, true, false),
            (r#"\\" -j Y"#, true, false),
            (r#"\" -j Y"#, true, true),
            (r#"-A a"b -i "x -m comment --comment "\"" -j Y"#, false, false),
            (r#"-A a"b -i "x -m comment --comment "\""#, false, true),
        ] {
            assert_eq!(ends_in_string(line, begins_inside), ends_inside, "{line}");
        }
    }
}
