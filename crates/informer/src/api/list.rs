//! Turns the bytes of a list, as they arrive, into the bytes of its items one by one.
//!
//! So that no list is ever held as a whole: only one item and what stands around the items.
//! Knows nothing of what an item says.

use serde::Deserialize;

use crate::object::raw::or_default;

#[cfg(test)]
mod tests;

/// The longest item, and the longest text around the items, in bytes. etcd refuses objects of 1.5 MB.
const LONGEST: usize = 32 << 20;

/// A list that is being read.
#[derive(Debug, Default)]
pub(super) struct List {
    /// The item that is being read, or nothing.
    item: Vec<u8>,
    /// Everything but the items.
    frame: Vec<u8>,
    place: Place,
    depth: usize,
    text: Text,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Outside,
    /// After a member's name at the top that reads `items`, until its value begins.
    BeforeItems,
    Items,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Text {
    /// Not in a string.
    #[default]
    None,
    Inside {
        /// Where in the frame the string begins, if it stands there.
        start: usize,
    },
    Escaped {
        start: usize,
    },
}

/// What stands around the items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Frame {
    /// `metadata`.
    #[serde(deserialize_with = "or_default")]
    pub(super) metadata: Metadata,
}

/// `metadata` of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    /// `resourceVersion`.
    #[serde(deserialize_with = "or_default")]
    pub(super) resource_version: String,
    /// `continue`: what to ask for to get the next page; empty at the end.
    #[serde(rename = "continue", deserialize_with = "or_default")]
    pub(super) token: String,
}

/// Bytes that are no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoList {
    #[error("is longer than {LONGEST} bytes")]
    TooLong,
    #[error("is no list")]
    Malformed,
}

impl List {
    /// Takes the next bytes and tells `each` item that ends in them.
    pub(super) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), NoList> {
        for &byte in bytes {
            self.take(byte, &mut each)?;
        }
        if self.item.len().max(self.frame.len()) > LONGEST {
            return Err(NoList::TooLong);
        }
        Ok(())
    }

    /// What stands around the items, once all bytes are in.
    pub(super) fn finish(self) -> Result<Frame, NoList> {
        serde_json::from_slice(&self.frame).map_err(|_| NoList::Malformed)
    }

    fn take(&mut self, byte: u8, each: &mut impl FnMut(&[u8])) -> Result<(), NoList> {
        if self.text != Text::None {
            self.keep(byte);
            self.text = self.text_after(byte);
            return Ok(());
        }
        let is_between_items = self.place == Place::Items && self.depth == 2;
        match byte {
            b',' if is_between_items => self.end_item(each),
            b']' if is_between_items => {
                self.end_item(each);
                self.place = Place::Outside;
                self.depth = 1;
                self.frame.push(byte);
            }
            byte if is_between_items && byte.is_ascii_whitespace() => {}
            byte => self.take_plain(byte)?,
        }
        Ok(())
    }

    /// A byte outside of strings that neither ends nor parts items.
    fn take_plain(&mut self, byte: u8) -> Result<(), NoList> {
        let is_item = self.place == Place::Items;
        self.keep(byte);
        match byte {
            b'"' => self.text = Text::Inside { start: if is_item { 0 } else { self.frame.len() } },
            b'{' | b'[' => {
                self.depth += 1;
                if self.place == Place::BeforeItems {
                    self.place = if byte == b'[' { Place::Items } else { Place::Outside };
                }
            }
            b'}' | b']' => self.depth = self.depth.checked_sub(1).ok_or(NoList::Malformed)?,
            // `items: null`.
            b',' if self.place == Place::BeforeItems => self.place = Place::Outside,
            _ => {}
        }
        Ok(())
    }

    fn keep(&mut self, byte: u8) {
        if self.place == Place::Items { self.item.push(byte) } else { self.frame.push(byte) }
    }

    fn text_after(&mut self, byte: u8) -> Text {
        match (self.text, byte) {
            (Text::Inside { start }, b'\\') => Text::Escaped { start },
            (Text::Inside { start }, b'"') => {
                self.end_text(start);
                Text::None
            }
            (Text::Escaped { start } | Text::Inside { start }, _) => Text::Inside { start },
            (Text::None, _) => Text::None,
        }
    }

    /// A string has ended; one that reads `items` at the top is the name of the items, as no
    /// other member of a list has a string `items`.
    fn end_text(&mut self, start: usize) {
        if self.place == Place::Outside && self.depth == 1 && self.frame.get(start..) == Some(b"items\"") {
            self.place = Place::BeforeItems;
        }
    }

    fn end_item(&mut self, each: &mut impl FnMut(&[u8])) {
        if !self.item.is_empty() {
            each(&self.item);
            self.item.clear();
        }
    }
}
