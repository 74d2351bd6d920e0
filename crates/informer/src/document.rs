//! Turns the bytes of a file into documents, each good or bad by itself.
//!
//! Knows nothing of Kubernetes: a document is any value. Files are cut where YAML says that a
//! document ends before anything is parsed, so that a syntax error costs one document only.

use std::str;

use serde_json::Value;

use crate::yaml;

#[cfg(test)]
mod tests;

/// One document of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    /// Which one in its file, counted from 1; what holds only comments is not counted.
    pub(crate) number: usize,
    /// What it says.
    pub(crate) content: Result<Value, Fault>,
}

/// Why a document cannot be used, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Path of the field, or the line in the file.
    pub(crate) field: String,
    /// What stands there.
    pub(crate) value: String,
    /// What is wrong with it.
    pub(crate) reason: String,
}

/// The documents in `bytes`: YAML separated by lines of `---`, JSON objects one after the other, or both.
pub(crate) fn split(bytes: &[u8]) -> impl Iterator<Item = Document> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let pieces = Pieces { rest: Some(bytes), lines_before: 0 };
    let contents = pieces.filter(|piece| !piece.is_empty()).flat_map(Piece::parse);
    contents.enumerate().map(|(index, content)| Document { number: index + 1, content })
}

/// The part of a file between two separators.
#[derive(Clone, Copy)]
struct Piece<'a> {
    bytes: &'a [u8],
    /// Number of lines of the file before it.
    lines_before: usize,
}

/// The pieces of a file from some place on. It is cut at lines that start with `---` or `...`, which
/// YAML allows nowhere else.
struct Pieces<'a> {
    rest: Option<&'a [u8]>,
    /// Number of lines of the file before `rest`.
    lines_before: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let rest = self.rest.take()?;
        let lines_before = self.lines_before;
        let mut end = 0;
        for (number, line) in rest.split_inclusive(|&byte| byte == b'\n').enumerate() {
            if let Some(skipped) = separator(line) {
                self.rest = Some(&rest[end + skipped..]);
                self.lines_before = lines_before + number;
                break;
            }
            end += line.len();
        }
        Some(Piece { bytes: &rest[..end], lines_before })
    }
}

/// How many bytes of `line` belong to no document, if it separates two of them.
fn separator(line: &[u8]) -> Option<usize> {
    let is_end = line.get(3).is_none_or(u8::is_ascii_whitespace);
    match line.get(..3)? {
        b"---" if is_end => {
            Some(3 + line[3..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count())
        }
        // Without the line's end, so that lines are still counted right.
        b"..." if is_end => Some(line.strip_suffix(b"\n").unwrap_or(line).len()),
        _ => None,
    }
}

impl Piece<'_> {
    /// Whether there are only blanks, comments and directives.
    fn is_empty(&self) -> bool {
        self.bytes
            .split(|&byte| byte == b'\n')
            .all(|line| line.starts_with(b"%") || matches!(line.trim_ascii().first(), None | Some(b'#')))
    }

    fn parse(self) -> Vec<Result<Value, Fault>> {
        let text = match str::from_utf8(self.bytes) {
            Ok(text) => text,
            Err(error) => {
                let line = self.bytes[..error.valid_up_to()].split(|&byte| byte == b'\n').count();
                return vec![Err(self.fault(line, "is not UTF-8".to_owned()))];
            }
        };
        let values = yaml::parse(text).into_iter();
        values.map(|value| value.map_err(|error| self.fault(error.line.unwrap_or(1), error.reason))).collect()
    }

    /// `line` is counted from 1 within the piece.
    fn fault(&self, line: usize, reason: String) -> Fault {
        let text = self.bytes.split(|&byte| byte == b'\n').nth(line - 1).unwrap_or_default();
        Fault {
            field: format!("line {}", self.lines_before + line),
            value: String::from_utf8_lossy(text).trim().to_owned(),
            reason,
        }
    }
}
