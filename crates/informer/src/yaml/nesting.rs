//! Turns the text of a YAML document into the depth of its brackets, without parsing it.
//!
//! Knows just enough of YAML to tell brackets that nest from brackets in text. Where a text is not
//! valid YAML the answer may be wrong; the parser then stops early anyway. Indentation is not
//! counted: it costs the parser nothing.

/// How deep `[` and `{` are nested at most.
pub(super) fn deepest(text: &str) -> usize {
    let mut scan = Scan { bytes: text.as_bytes(), at: 0, line_start: 0, parent: 0, deepest: 0 };
    while let Some(byte) = scan.peek() {
        scan.block_token(byte);
    }
    scan.deepest
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the line of `at` starts.
    line_start: usize,
    /// Column of the innermost key or list mark: a literal text must be indented further, and by one
    /// at least if there is none.
    parent: usize,
    deepest: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Whether the byte at `at + offset` ends a token.
    fn is_blank(&self, offset: usize) -> bool {
        self.bytes.get(self.at + offset).is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
    }

    fn advance(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line_start = self.at + 1;
        }
        self.at += 1;
    }

    fn skip_until(&mut self, stop: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(|byte| !stop(byte)) {
            self.advance();
        }
    }

    /// One token outside of brackets.
    fn block_token(&mut self, byte: u8) {
        let column = self.at - self.line_start;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => self.advance(),
            b'#' => self.skip_until(|byte| byte == b'\n'),
            b'-' | b'?' if self.is_blank(1) => {
                self.parent = column;
                self.advance();
            }
            b':' if self.is_blank(1) => self.advance(),
            b'&' | b'*' | b'!' => self.skip_until(|byte| byte.is_ascii_whitespace()),
            b'"' | b'\'' => {
                self.quoted(byte);
                self.note_key(column);
            }
            b'[' | b'{' => self.brackets(),
            b'|' | b'>' if self.heads_literal() => self.literal(),
            _ => {
                self.plain();
                self.note_key(column);
            }
        }
    }

    /// What began at `column` is a key if a colon follows.
    fn note_key(&mut self, column: usize) {
        if self.peek() == Some(b':') {
            self.parent = column;
        }
    }

    /// Text without quotes, up to a key's colon, a comment or the end of the line.
    fn plain(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => return,
                b':' if self.is_blank(1) => return,
                b' ' | b'\t' if self.bytes.get(self.at + 1) == Some(&b'#') => return,
                _ => self.advance(),
            }
        }
    }

    fn quoted(&mut self, quote: u8) {
        self.advance();
        while let Some(byte) = self.peek() {
            self.advance();
            match byte {
                b'\\' if quote == b'"' => self.advance(),
                b'\'' if quote == b'\'' && self.peek() == Some(b'\'') => self.advance(),
                _ if byte == quote => return,
                _ => {}
            }
        }
    }

    /// Whether `|` or `>` is followed by nothing but its options.
    fn heads_literal(&self) -> bool {
        let line = self.bytes[self.at + 1..].split(|&byte| byte == b'\n').next().unwrap_or_default();
        let options = line.split(|&byte| byte == b'#').next().unwrap_or_default();
        options.iter().all(|byte| matches!(byte, b'+' | b'-' | b'0'..=b'9' | b' ' | b'\t' | b'\r'))
    }

    /// A literal text: all lines that are empty or indented further than the parent.
    fn literal(&mut self) {
        self.skip_until(|byte| byte == b'\n');
        while self.peek().is_some() {
            self.advance();
            let rest = &self.bytes[self.at.min(self.bytes.len())..];
            let indent = rest.iter().take_while(|&&byte| byte == b' ').count();
            let is_empty = rest.get(indent).is_none_or(|byte| matches!(byte, b'\r' | b'\n'));
            if !is_empty && indent <= self.parent {
                return;
            }
            self.skip_until(|byte| byte == b'\n');
        }
    }

    /// From an opening bracket to the closing one that belongs to it.
    fn brackets(&mut self) {
        let mut depth = 0;
        let mut in_plain = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' | b'\'' if !in_plain => {
                    self.quoted(byte);
                    continue;
                }
                b'#' if self.at > 0 && self.bytes[self.at - 1].is_ascii_whitespace() => {
                    self.skip_until(|byte| byte == b'\n');
                    continue;
                }
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth -= 1,
                _ => {}
            }
            in_plain = match byte {
                b'[' | b'{' | b']' | b'}' | b',' => false,
                b':' => in_plain && !self.is_blank(1),
                b' ' | b'\t' | b'\r' | b'\n' => in_plain,
                _ => true,
            };
            self.advance();
            self.deepest = self.deepest.max(depth);
            if depth == 0 {
                return;
            }
        }
    }
}
