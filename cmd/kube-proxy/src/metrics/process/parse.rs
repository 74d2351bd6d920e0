//! Turns texts of `/proc` into numbers. Pure.
//!
//! Knows nothing of metrics.

/// Fractions of a second that the kernel counts CPU time in, on every architecture that Kubernetes runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// What is used of `/proc/self/stat`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stat {
    /// Seconds of CPU time, user and system.
    pub(super) cpu: f64,
    pub(super) threads: f64,
    /// Seconds from the start of the host to that of the process.
    pub(super) start: f64,
    pub(super) virtual_bytes: f64,
}

/// The second field is the program's name in parentheses, which may contain blanks and parentheses itself.
pub(super) fn stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // The first one here is the third in proc(5).
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    Some(Stat {
        cpu: (field(14)? + field(15)?) / TICKS_PER_SECOND,
        threads: field(20)?,
        start: field(22)? / TICKS_PER_SECOND,
        virtual_bytes: field(23)?,
    })
}

/// Bytes of resident memory, of `/proc/self/status`, which counts in KiB.
pub(super) fn resident(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
}

/// When the host started, of `/proc/stat`, in seconds since 1970.
pub(super) fn start_of_host(text: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// The soft limit of this name, of `/proc/self/limits`; none at all is the largest number.
pub(super) fn limit(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX as f64),
        number => number.parse().ok(),
    }
}

/// Bytes received and sent, of `/proc/self/net/netstat`: a line of names and a line of numbers.
pub(super) fn octets(text: &str) -> Option<(f64, f64)> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("IpExt:"));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let named = |name: &str| {
        let (_, number) =
            names.split_whitespace().zip(numbers.split_whitespace()).find(|(n, _)| *n == name)?;
        number.parse().ok()
    };
    Some((named("InOctets")?, named("OutOctets")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_is_skipped() {
        let text = "42 (a) b (c)) S 1 42 42 0 -1 4194304 9 0 0 0 150 50 0 0 20 0 7 0 1200 8192000 3 99";
        let stat = stat(text).unwrap();
        assert_eq!((stat.cpu, stat.threads, stat.start, stat.virtual_bytes), (2.0, 7.0, 12.0, 8_192_000.0));
    }

    #[test]
    fn a_text_cut_short_says_nothing() {
        assert_eq!(stat("42 (a) S 1 42"), None);
        assert_eq!(octets("IpExt: InOctets OutOctets\n"), None);
        assert_eq!(start_of_host("cpu 1 2 3\n"), None);
        assert_eq!(limit("", "Max open files"), None);
    }

    #[test]
    fn limits_may_be_absent() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max address space         unlimited            unlimited            bytes     \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(limit(text, "Max open files"), Some(1024.0));
        assert_eq!(limit(text, "Max address space"), Some(u64::MAX as f64));
    }

    #[test]
    fn resident_memory_is_told_in_kibibytes() {
        assert_eq!(resident("Name:\ta\nVmHWM:\t   9 kB\nVmRSS:\t    4096 kB\n"), Some(4_194_304.0));
        assert_eq!(resident("Name:\ta\n"), None);
    }

    #[test]
    fn octets_are_found_by_name() {
        let text = "TcpExt: A B\nTcpExt: 1 2\nIpExt: InNoRoutes InOctets OutOctets\nIpExt: 0 77 88\n";
        assert_eq!(octets(text), Some((77.0, 88.0)));
        assert_eq!(start_of_host("cpu 1\nbtime 1700000000\nprocesses 5\n"), Some(1_700_000_000.0));
    }
}
