//! Turns the text of a Kubernetes resource quantity (`0`, `512`, `2Ki`) into a checked value.
//!
//! Does no arithmetic: the only fields of this kind are buffer sizes that have no effect here.

use std::fmt;
use std::str::FromStr;

const SUFFIXES: [&str; 17] =
    ["", "n", "u", "m", "k", "K", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// A resource quantity, kept as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity(String);

/// The text is not a number with an optional quantity suffix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a quantity: want a number with an optional suffix such as K, Ki, M or Mi")]
pub struct QuantityError(String);

impl Quantity {
    /// Whether it is nothing, in whatever unit.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        !number(&self.0).0.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
    }
}

impl Default for Quantity {
    fn default() -> Self {
        Self("0".to_owned())
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let (number, suffix) = number(text);
        let digits = number.bytes().filter(u8::is_ascii_digit).count();
        let dots = number.bytes().filter(|byte| *byte == b'.').count();
        if digits == 0 || dots > 1 || !(SUFFIXES.contains(&suffix) || is_exponent(suffix)) {
            return Err(QuantityError(text.to_owned()));
        }
        let quantity = Self(text.to_owned());
        Ok(if quantity.is_zero() { Self::default() } else { quantity })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn number(text: &str) -> (&str, &str) {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    unsigned.split_at(unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len()))
}

fn is_exponent(suffix: &str) -> bool {
    let Some(power) = suffix.strip_prefix(['e', 'E']) else { return false };
    let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_quantities() {
        for text in ["512", "1K", "2Ki", "3M", "1.5Gi", "-1", "1e3", "12E-3", ".5"] {
            assert_eq!(text.parse::<Quantity>().map(|q| q.to_string()).as_deref(), Ok(text), "{text}");
        }
        for text in ["", "K", "1KiB", "1 K", "0x10", "1.2.3", "e3", "1e", "1i", "--1"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_zero_is_one_zero() {
        for text in ["0", "0Ki", "-0", "0.00", "0e9"] {
            assert_eq!(text.parse(), Ok(Quantity::default()), "{text}");
        }
    }
}
