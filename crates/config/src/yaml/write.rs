//! Turns a tree into YAML as kube-proxy writes it: keys sorted, lists not indented, quotes only where needed.
//!
//! Does not know which fields are left out.

use super::Node;

/// The tree as a YAML document.
pub(crate) fn write(node: &Node) -> String {
    let mut out = String::new();
    block(&mut out, node, 0);
    out
}

fn block(out: &mut String, node: &Node, indent: usize) {
    match node {
        Node::Map(pairs) if !pairs.is_empty() => {
            let mut sorted: Vec<_> = pairs.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            for (key, value) in sorted {
                pad(out, indent);
                out.push_str(&scalar(key));
                out.push(':');
                below(out, value, indent);
            }
        }
        Node::List(list) if !list.is_empty() => {
            for value in list {
                pad(out, indent);
                out.push('-');
                item(out, value, indent);
            }
        }
        Node::Map(_)
        | Node::List(_)
        | Node::Null
        | Node::Bool(_)
        | Node::Int(_)
        | Node::Float(_)
        | Node::Text(_) => {
            out.push_str(&inline(node));
            out.push('\n');
        }
    }
}

/// The value of a key: on the same line, or in a block below it.
fn below(out: &mut String, value: &Node, indent: usize) {
    let inner = match value {
        Node::Map(pairs) if !pairs.is_empty() => Some(indent + 2),
        Node::List(list) if !list.is_empty() => Some(indent),
        Node::Map(_)
        | Node::List(_)
        | Node::Null
        | Node::Bool(_)
        | Node::Int(_)
        | Node::Float(_)
        | Node::Text(_) => None,
    };
    out.push(if inner.is_some() { '\n' } else { ' ' });
    block(out, value, inner.unwrap_or(indent));
}

/// A list item begins on the line of its dash.
fn item(out: &mut String, value: &Node, indent: usize) {
    let mut text = String::new();
    block(&mut text, value, indent + 2);
    out.push(' ');
    out.push_str(text.trim_start_matches(' '));
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn inline(node: &Node) -> String {
    match node {
        Node::Null => "null".to_owned(),
        Node::Bool(value) => value.to_string(),
        Node::Int(value) => value.to_string(),
        Node::Float(value) => value.to_string(),
        Node::Text(text) => scalar(text),
        Node::List(_) => "[]".to_owned(),
        Node::Map(_) => "{}".to_owned(),
    }
}

fn scalar(text: &str) -> String {
    if text.is_empty() || is_other_type(text) || text.chars().any(is_special) {
        double_quoted(text)
    } else if is_plain(text) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// Whether a reader of YAML 1.1 or 1.2 would take the unquoted text for something else than a string.
fn is_other_type(text: &str) -> bool {
    let word = text.to_ascii_lowercase();
    let words = ["null", "~", "true", "false", "yes", "no", "on", "off", "y", "n", "<<", "="];
    words.contains(&word.as_str()) || is_number(&word)
}

fn is_number(word: &str) -> bool {
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return false;
    }
    let digits = unsigned.replace('_', "");
    let based = ["0x", "0o", "0b"].iter().any(|prefix| {
        digits.strip_prefix(prefix).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()))
    });
    let clock = digits.contains(':') && digits.bytes().all(|b| b.is_ascii_digit() || b == b':' || b == b'.');
    based || clock && !is_socket(&digits) || digits.parse::<f64>().is_ok() || matches!(word, ".inf" | ".nan")
}

/// An address with its port has three dots before the colon; a base-60 number has none there.
fn is_socket(digits: &str) -> bool {
    digits.split_once(':').is_some_and(|(host, _)| host.contains('.'))
}

fn is_plain(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars.next();
    let second = chars.next();
    let indicator = match first {
        Some('-' | '?' | ':') => matches!(second, None | Some(' ')),
        Some(first) => ",[]{}#&*!|>'\"%@` ".contains(first),
        None => true,
    };
    let ends = text.ends_with([' ', ':']) || text.starts_with("---") || text.starts_with("...");
    !indicator && !ends && !text.contains(": ") && !text.contains(" #")
}

/// Characters that only a double-quoted string can hold.
fn is_special(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_special(c) => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
