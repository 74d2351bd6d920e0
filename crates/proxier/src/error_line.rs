//! Turns what iptables-restore says of its input when it refuses it into the line it means.
//!
//! Knows nothing of what is in that line.

use std::fmt::Write;

/// How many lines before and after the refused one are shown.
const CONTEXT: usize = 3;

/// The lines of `input` around the one that `text` names, with their numbers; empty if it names none.
pub fn lines_around(text: &str, input: &[u8]) -> String {
    let mut shown = String::new();
    let Some(refused) = line_number(text) else { return shown };
    let first = refused.saturating_sub(CONTEXT).max(1);
    let lines =
        input.split(|byte| *byte == b'\n').enumerate().skip(first - 1).take(refused + CONTEXT + 1 - first);
    for (index, line) in lines {
        write!(shown, "\n{}: {}", index + 1, String::from_utf8_lossy(line)).expect("memory takes all");
    }
    shown
}

/// The line that `text` names first, counted from 1: the number behind the word "line": `line 7 failed`,
/// `Error occurred at line: 7`.
pub fn line_number(text: &str) -> Option<usize> {
    let mut words = text.split_whitespace().skip_while(|word| word.trim_end_matches(':') != "line").skip(1);
    words
        .next()?
        .trim_matches(|c: char| !c.is_ascii_digit())
        .parse::<u32>()
        .ok()
        .filter(|number| *number > 0)
        .map(|number| number as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_line_is_found() {
        for (text, expected) in [
            ("iptables-restore: line 7 failed", Some(7)),
            (
                "iptables-restore v1.8.9 (nf_tables): unknown option \"--x\"; Error occurred at line: 12; Try",
                Some(12),
            ),
            (
                "iptables-restore v1.8.9 (nf_tables): ; line 20003: CHAIN_DEL failed (Device or resource busy)",
                Some(20003),
            ),
            ("line", None),
            ("line zero", None),
            ("line 0 failed", None),
            ("killed", None),
        ] {
            assert_eq!(line_number(text), expected, "{text}");
        }
    }

    #[test]
    fn three_lines_are_shown_before_and_after() {
        let input = b"1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        assert_eq!(lines_around("line 5 failed", input), "\n2: 2\n3: 3\n4: 4\n5: 5\n6: 6\n7: 7\n8: 8");
        assert_eq!(lines_around("line 1 failed", input), "\n1: 1\n2: 2\n3: 3\n4: 4");
        assert_eq!(lines_around("line 99 failed", input), "");
        assert_eq!(lines_around("failed", input), "");
    }
}
