//! Turns a line of the log into what it says of a sync.
//!
//! Does not know where lines come from.

use std::time::Duration;

/// A sync of IPv4 that has ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sync {
    /// When its line could be read.
    pub(crate) at: Duration,
    /// How long it took, as the daemon says.
    pub(crate) elapsed: Duration,
    /// Service ports that were rendered.
    pub(crate) rendered: usize,
    /// Rules that were written, and chains that were deleted.
    pub(crate) written: usize,
}

impl Sync {
    /// What a line says, if it is of a sync.
    pub(crate) fn read(at: Duration, line: &str) -> Option<Sync> {
        if !line.contains("\"SyncProxyRules complete\"") || field(line, "ipFamily")? != "IPv4" {
            return None;
        }
        let number = |name| field(line, name)?.parse::<usize>().ok();
        let written = number("filterRulesWritten")? + number("natRulesWritten")? + number("chainsDeleted")?;
        Some(Sync { at, elapsed: duration(field(line, "elapsed")?)?, rendered: number("rendered")?, written })
    }
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}="))?;
    let value = rest.split(' ').next()?;
    Some(value.trim_matches('"'))
}

/// As `Debug` prints a [`Duration`].
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.')?);
    let scale = match unit {
        "ns" => 1e-9,
        "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * scale).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read() {
        let line = r#"I1123 09:11:27.451023   16492 family.rs:191] "SyncProxyRules complete" ipFamily="IPv4" kind="partial" elapsed="35.950956ms" servicePorts=1 rendered=1 filterRulesWritten=0 natRulesWritten=4 chainsDeleted=1 filterRules=4 natRules=12"#;
        let sync = Sync::read(Duration::ZERO, line).unwrap();
        assert_eq!((sync.elapsed, sync.rendered, sync.written), (Duration::from_nanos(35_950_956), 1, 5));
        assert_eq!(Sync::read(Duration::ZERO, &line.replace("IPv4", "IPv6")), None);
        assert_eq!(Sync::read(Duration::ZERO, &line.replace("complete", "begins")), None);
    }

    #[test]
    fn durations() {
        for (text, nanos) in [("1.5s", 1_500_000_000), ("12µs", 12_000), ("7ns", 7), ("120ms", 120_000_000)]
        {
            assert_eq!(duration(text), Some(Duration::from_nanos(nanos)), "{text}");
        }
        assert_eq!(duration("5 minutes"), None);
    }
}
