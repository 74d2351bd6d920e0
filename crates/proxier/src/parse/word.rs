//! Splits a rule's text into words, as iptables-restore does.
//!
//! Knows nothing of what the words mean.

use std::borrow::Cow;

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
    let end = text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (!word.is_empty()).then_some((Cow::Borrowed(word), rest))
}

/// The text begins behind the opening quote.
fn split_quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let special = text.find(['"', '\\'])?;
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
}
