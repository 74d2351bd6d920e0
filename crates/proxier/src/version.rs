//! What an iptables version can do.

use std::fmt;

/// A version, as in `iptables v1.8.9 (nf_tables)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    numbers: Vec<u32>,
    /// What stands in parentheses: `nf_tables` or `legacy`; older versions tell nothing.
    pub backend: Option<String>,
}

impl Version {
    /// Finds the version in what `--version` printed.
    pub fn parse(text: &str) -> Option<Self> {
        let words = text.split_whitespace().filter_map(|word| word.strip_prefix('v'));
        let numbers =
            words.filter_map(|word| word.split('.').map(|part| part.parse().ok()).collect()).next()?;
        let backend =
            text.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(name, _)| name.to_owned());
        Some(Self { numbers, backend })
    }

    /// What in the kernel the tool writes to. Versions that do not tell know only `legacy`.
    pub fn backend(&self) -> &str {
        self.backend.as_deref().unwrap_or("legacy")
    }

    fn is_at_least(&self, numbers: [u32; 3]) -> bool {
        self.numbers.as_slice() >= numbers.as_slice()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<_> = self.numbers.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join("."))?;
        self.backend.iter().try_for_each(|backend| write!(f, " ({backend})"))
    }
}

/// What depends on the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// How iptables is told to wait for the lock.
    wait: Wait,
    /// Whether iptables-restore can be told to wait for the lock.
    restore_waits: bool,
    /// Whether MASQUERADE knows `--random-fully`.
    pub random_fully: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Never,
    Forever,
    Seconds,
}

impl Features {
    /// The features of a version; of an unknown version, none.
    pub fn of(version: Option<&Version>) -> Self {
        let since = |numbers| version.is_some_and(|version| version.is_at_least(numbers));
        let wait = match (since([1, 4, 22]), since([1, 4, 20])) {
            (true, _) => Wait::Seconds,
            (false, true) => Wait::Forever,
            (false, false) => Wait::Never,
        };
        Self { wait, restore_waits: since([1, 6, 2]), random_fully: since([1, 6, 2]) }
    }

    /// Arguments that make iptables wait for the lock, each after a blank.
    pub fn wait_arguments(self) -> &'static str {
        match self.wait {
            Wait::Never => "",
            Wait::Forever => " -w",
            Wait::Seconds => " -w 5",
        }
    }

    /// Arguments that make iptables-restore wait for the lock.
    pub fn restore_wait_arguments(self) -> &'static [&'static str] {
        if self.restore_waits { &["-w", "5"] } else { &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_decide_on_features() {
        for (text, wait, restore, random_fully) in [
            ("iptables v1.8.9 (nf_tables)\n", " -w 5", &["-w", "5"][..], true),
            ("iptables v1.8.9 (legacy)", " -w 5", &["-w", "5"], true),
            ("iptables v1.6.2", " -w 5", &["-w", "5"], true),
            ("iptables v1.6.1", " -w 5", &[], false),
            ("iptables v1.4.21", " -w", &[], false),
            ("iptables v1.4.19.1", "", &[], false),
            ("iptables v1.10", " -w 5", &["-w", "5"], true),
            ("nonsense", "", &[], false),
        ] {
            let features = Features::of(Version::parse(text).as_ref());
            assert_eq!(features.wait_arguments(), wait, "{text}");
            assert_eq!(features.restore_wait_arguments(), restore, "{text}");
            assert_eq!(features.random_fully, random_fully, "{text}");
        }
    }

    #[test]
    fn the_backend_is_part_of_the_version() {
        let version = Version::parse("ip6tables v1.8.9 (nf_tables)\n").unwrap();
        assert_eq!(version.to_string(), "1.8.9 (nf_tables)");
        assert_eq!(Version::parse("iptables v1.4.21").unwrap().backend, None);
    }
}
