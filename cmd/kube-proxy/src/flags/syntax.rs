//! Turns the text of a flag's value into a typed value, by the rules of kube-proxy's command line.
//!
//! Does not know which flag it is. The errors say what is wanted; the caller says what was found and where.

use std::collections::BTreeMap;

use config::VModule;
use config::address;

const MAX_LEVEL: u32 = 0x7fff_ffff;

/// `1 t T true TRUE True 0 f F false FALSE False`.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("want true or false".to_owned()),
    }
}

/// A 32-bit integer; its base follows from a prefix, underscores may separate digits.
pub(super) fn int32(text: &str) -> Result<i32, String> {
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = magnitude(unsigned).ok_or("want an integer")?;
    let value = if negative { -magnitude } else { magnitude };
    i32::try_from(value).map_err(|_| "want an integer of 32 bits".to_owned())
}

fn magnitude(text: &str) -> Option<i128> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits) = [("0x", 16), ("0o", 8), ("0b", 2)]
        .iter()
        .find_map(|(prefix, radix)| Some((*radix, lower.strip_prefix(prefix)?)))
        .or_else(|| Some((8, lower.strip_prefix('0')?)).filter(|(_, rest)| !rest.is_empty()))
        .unwrap_or((10, &lower));
    // Right after a prefix an underscore counts as one between digits.
    let digits = if radix == 10 { digits } else { digits.strip_prefix('_').unwrap_or(digits) };
    if digits.split('_').any(str::is_empty) || !digits.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    {
        return None;
    }
    i128::from_str_radix(&digits.replace('_', ""), radix).ok()
}

/// A finite 32-bit number.
pub(super) fn float32(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|value: &f32| value.is_finite()).ok_or_else(|| "want a number".to_owned())
}

/// A log level.
pub(super) fn level(text: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let level = if digits { text.parse().ok() } else { None };
    level.filter(|level| *level <= MAX_LEVEL).ok_or_else(|| format!("want an integer from 0 to {MAX_LEVEL}"))
}

/// One address; nothing at all is accepted, and means nothing.
pub(super) fn ip(text: &str) -> Result<String, String> {
    if text.is_empty() || address::parse_ip(text).is_some() {
        Ok(text.to_owned())
    } else {
        Err("want an IP address".to_owned())
    }
}

/// An address with or without a port; nothing at all is accepted, and means nothing.
pub(super) fn ip_port(text: &str) -> Result<String, String> {
    let is_ip_port = || {
        let (host, port) = address::split_host_port(text)?;
        let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        address::parse_ip(host).filter(|_| is_port && port.parse::<u16>().is_ok())
    };
    if text.is_empty() || address::parse_ip(text).is_some() || is_ip_port().is_some() {
        Ok(text.to_owned())
    } else {
        Err("want an IP address, with or without a port".to_owned())
    }
}

/// One record of comma-separated values; double quotes protect commas. Nothing at all is an empty list.
pub(super) fn list(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => bare_field(rest)?,
        };
        fields.push(field);
        match after {
            None => break,
            Some("") => {
                fields.push(String::new());
                break;
            }
            Some(after) => rest = after,
        }
    }
    Ok(fields)
}

/// A field, and what follows its comma if there is one.
type Field<'a> = (String, Option<&'a str>);

fn bare_field(text: &str) -> Result<Field<'_>, String> {
    let (field, after) = match text.split_once(',') {
        Some((field, after)) => (field, Some(after)),
        None => (text, None),
    };
    if field.contains(['"', '\n']) {
        return Err("want a list separated by commas; a quote must stand around a whole element".to_owned());
    }
    Ok((field.to_owned(), after))
}

fn quoted_field(text: &str) -> Result<Field<'_>, String> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"').ok_or("want a closing quote")?;
        field.push_str(part);
        rest = match (after.strip_prefix('"'), after.strip_prefix(',')) {
            (Some(more), _) => more,
            (None, Some(next)) => return Ok((field, Some(next))),
            (None, None) if after.is_empty() => return Ok((field, None)),
            (None, None) => return Err("want a comma after a closing quote".to_owned()),
        };
        field.push('"');
    }
}

/// `A=true,B=false`.
pub(super) fn bool_map(text: &str) -> Result<BTreeMap<String, bool>, String> {
    let mut map = BTreeMap::new();
    for segment in text.split(',').map(str::trim).filter(|segment| !segment.is_empty()) {
        let (name, value) =
            segment.split_once('=').ok_or_else(|| format!("{segment:?} is not NAME=true or NAME=false"))?;
        let value = boolean(value.trim()).map_err(|want| format!("{}: {want}", name.trim()))?;
        map.insert(name.trim().to_owned(), value);
    }
    Ok(map)
}

/// `pattern=N,pattern=N`.
pub(super) fn patterns(text: &str) -> Result<Vec<VModule>, String> {
    let segments = text.split(',').filter(|segment| !segment.is_empty());
    segments
        .map(|segment| {
            let (pattern, verbosity) = segment
                .split_once('=')
                .filter(|(pattern, _)| !pattern.is_empty())
                .ok_or_else(|| format!("{segment:?} is not pattern=N"))?;
            let verbosity = level(verbosity).map_err(|want| format!("{pattern}: {want}"))?;
            Ok(VModule { file_pattern: pattern.to_owned(), verbosity })
        })
        .collect()
}

#[cfg(test)]
mod tests;
