//! Turns Go duration text (`1h30m`, `500ms`) into a length of time and back into its canonical text.
//!
//! Does not know which field it came from, nor whether a negative length makes sense there.

use std::fmt;
use std::str::FromStr;

const MICROSECOND: i128 = 1_000;
const MILLISECOND: i128 = 1_000 * MICROSECOND;
const SECOND: i128 = 1_000 * MILLISECOND;
const MINUTE: i128 = 60 * SECOND;
const HOUR: i128 = 60 * MINUTE;

/// The digits of a fraction that can change a nanosecond count.
const FRACTION_DIGITS: usize = 18;

/// A signed length of time with nanosecond precision: `metav1.Duration` of the Kubernetes API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(i64);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not of the form `<number><unit>...`.
    #[error("invalid duration {0:?}")]
    Invalid(String),
    /// A number other than a bare zero without its unit.
    #[error("missing unit in duration {0:?}")]
    MissingUnit(String),
    /// A unit other than `ns us µs ms s m h`.
    #[error("unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// What stands where a unit should.
        unit: String,
        /// The whole text.
        text: String,
    },
    /// Longer than about 292 years.
    #[error("duration {0:?} is out of range")]
    OutOfRange(String),
}

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// The length of so many nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The length of so many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: i32) -> Self {
        Self(millis as i64 * 1_000_000)
    }

    /// The length of so many seconds.
    #[must_use]
    pub const fn from_secs(secs: i32) -> Self {
        Self(secs as i64 * 1_000_000_000)
    }

    /// The whole length in nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The length in whole seconds, truncated towards zero.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0 / 1_000_000_000
    }

    /// The same length in the standard library's unsigned type; a negative one becomes zero.
    #[must_use]
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

// === parsing ===

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if unsigned == "0" {
            return Ok(Self::ZERO);
        }
        if unsigned.is_empty() {
            return Err(DurationError::Invalid(text.to_owned()));
        }
        let mut nanos: i128 = 0;
        let mut rest = unsigned;
        while !rest.is_empty() {
            let (term, after) = term(rest, text)?;
            nanos = nanos.saturating_add(term);
            rest = after;
        }
        let signed = if negative { -nanos } else { nanos };
        i64::try_from(signed).map(Self).map_err(|_| DurationError::OutOfRange(text.to_owned()))
    }
}

/// One `<number><unit>` from the front of `rest`: its nanoseconds and what follows it.
fn term<'a>(rest: &'a str, text: &str) -> Result<(i128, &'a str), DurationError> {
    let (whole, after) = digits(rest);
    let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::Invalid(text.to_owned()));
    }
    let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
    let (name, after) = after.split_at(end);
    let unit = unit(name, text)?;
    let out_of_range = || DurationError::OutOfRange(text.to_owned());
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| out_of_range())? };
    let nanos = whole.checked_mul(unit).ok_or_else(out_of_range)?;
    Ok((nanos.saturating_add(fraction_of(fraction, unit)), after))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn unit(name: &str, text: &str) -> Result<i128, DurationError> {
    match name {
        "" => Err(DurationError::MissingUnit(text.to_owned())),
        "ns" => Ok(1),
        // Both code points that look like a micro sign are in use.
        "us" | "\u{b5}s" | "\u{3bc}s" => Ok(MICROSECOND),
        "ms" => Ok(MILLISECOND),
        "s" => Ok(SECOND),
        "m" => Ok(MINUTE),
        "h" => Ok(HOUR),
        other => Err(DurationError::UnknownUnit { unit: other.to_owned(), text: text.to_owned() }),
    }
}

fn fraction_of(fraction: &str, unit: i128) -> i128 {
    let mut scale: i128 = 1;
    let mut value: i128 = 0;
    for digit in fraction.bytes().take(FRACTION_DIGITS) {
        value = value * 10 + i128::from(digit - b'0');
        scale *= 10;
    }
    value * unit / scale
}

// === printing ===

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let nanos = i128::from(self.0.unsigned_abs());
        match nanos {
            0 => f.write_str("0s"),
            n if n < MICROSECOND => write!(f, "{n}ns"),
            n if n < MILLISECOND => write!(f, "{}\u{b5}s", decimal(n, MICROSECOND)),
            n if n < SECOND => write!(f, "{}ms", decimal(n, MILLISECOND)),
            n => clock(f, n),
        }
    }
}

fn clock(f: &mut fmt::Formatter<'_>, nanos: i128) -> fmt::Result {
    let (hours, minutes) = (nanos / HOUR, nanos % HOUR / MINUTE);
    if hours > 0 {
        write!(f, "{hours}h")?;
    }
    if hours > 0 || minutes > 0 {
        write!(f, "{minutes}m")?;
    }
    write!(f, "{}s", decimal(nanos % MINUTE, SECOND))
}

/// `nanos / unit` with as many decimals as it takes.
fn decimal(nanos: i128, unit: i128) -> String {
    let (whole, fraction) = (nanos / unit, nanos % unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let decimals = format!("{fraction:0width$}");
    format!("{whole}.{}", decimals.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(text: &str) -> Result<String, String> {
        text.parse::<Duration>().map(|d| d.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn prints_canonically() {
        for (text, printed) in [
            ("0", "0s"),
            ("0s", "0s"),
            ("-0", "0s"),
            ("15m", "15m0s"),
            ("60m", "1h0m0s"),
            ("24h", "24h0m0s"),
            ("1.5h", "1h30m0s"),
            ("500ms", "500ms"),
            ("90s", "1m30s"),
            (".5s", "500ms"),
            ("1.s", "1s"),
            ("1h2m3.004s", "1h2m3.004s"),
            ("1us", "1\u{b5}s"),
            ("1\u{3bc}s", "1\u{b5}s"),
            ("1500ns", "1.5\u{b5}s"),
            ("7ns", "7ns"),
            ("-1.5s", "-1.5s"),
            ("+30s", "30s"),
            ("2562047h47m16.854775807s", "2562047h47m16.854775807s"),
            ("-2562047h47m16.854775808s", "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(printed), "{text}");
        }
    }

    #[test]
    fn refuses() {
        for (text, reason) in [
            ("", "invalid duration \"\""),
            ("-", "invalid duration \"-\""),
            ("abc", "invalid duration \"abc\""),
            (".s", "invalid duration \".s\""),
            (" 5s", "invalid duration \" 5s\""),
            ("3", "missing unit in duration \"3\""),
            ("1h3", "missing unit in duration \"1h3\""),
            ("3x", "unknown unit \"x\" in duration \"3x\""),
            ("3 s", "unknown unit \" s\" in duration \"3 s\""),
            ("2562047h47m16.854775808s", "duration \"2562047h47m16.854775808s\" is out of range"),
            (
                "99999999999999999999999999999999999999999999h",
                "duration \"99999999999999999999999999999999999999999999h\" is out of range",
            ),
        ] {
            assert_eq!(canonical(text), Err(reason.to_owned()), "{text}");
        }
    }

    #[test]
    fn converts() {
        assert_eq!(Duration::from_millis(1_500).as_secs(), 1);
        assert_eq!(Duration::from_secs(-1).to_std(), std::time::Duration::ZERO);
        assert_eq!(Duration::from_nanos(7).to_std(), std::time::Duration::from_nanos(7));
    }

    proptest! {
        #[test]
        fn printed_text_reads_back(nanos: i64) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = text.parse::<Duration>();
        }
    }
}
