//! Turns errors of the system into the words that Go has for them.
//!
//! Knows nothing of what failed.

use std::io;

/// Without the number, and with a small letter as inside a sentence.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().into_iter().map(|first| first.to_ascii_lowercase()).chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons() {
        assert_eq!(reason(&io::Error::from_raw_os_error(2)), "no such file or directory");
        assert_eq!(reason(&io::Error::other("")), "");
        assert_eq!(reason(&io::Error::other("Ünlikely")), "Ünlikely");
    }
}
