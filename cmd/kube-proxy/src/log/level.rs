//! Turns `-v` and `--vmodule` into the answer whether a file's events of a level are shown.
//!
//! Knows nothing of events: a level and a path are all it is asked about.

/// The levels of a process: one for all, and more for some files.
#[derive(Debug, Default)]
pub(super) struct Levels {
    verbosity: u32,
    patterns: Vec<Pattern>,
}

/// One entry of `--vmodule`.
#[derive(Debug)]
struct Pattern {
    glob: String,
    level: u32,
}

// === impl Levels ===

impl Levels {
    /// `vmodule` holds pairs of file pattern and level; of several patterns that match the first counts.
    pub(super) fn new(verbosity: u32, vmodule: &[(String, u32)]) -> Self {
        let patterns = vmodule.iter().map(|(glob, level)| Pattern { glob: glob.clone(), level: *level });
        Self { verbosity, patterns: patterns.collect() }
    }

    /// Changes `-v`, leaving the patterns as they are.
    pub(super) fn set_verbosity(&mut self, verbosity: u32) {
        self.verbosity = verbosity;
    }

    /// Whether events of this level from the file with this path are shown.
    ///
    /// A pattern can only show more than `-v` does, never less.
    pub(super) fn shows(&self, level: u32, path: &str) -> bool {
        level <= self.verbosity
            || self
                .patterns
                .iter()
                .find(|pattern| pattern.matches(path))
                .is_some_and(|found| level <= found.level)
    }
}

// === impl Pattern ===

impl Pattern {
    /// Compares as many of the last path components as the pattern has, so that where the sources lay when
    /// the program was built does not matter.
    fn matches(&self, path: &str) -> bool {
        let path = path.strip_suffix(".rs").unwrap_or(path);
        let mut components = path.rsplit('/');
        self.glob.rsplit('/').all(|glob| {
            components.next().is_some_and(|component| glob_matches(glob.as_bytes(), component.as_bytes()))
        })
    }
}

/// `*` stands for any bytes, `?` for one; everything else for itself.
fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut at, mut next) = (0, 0);
    // Where to resume after the latest star: the glob behind it, and the text it has not yet swallowed.
    let mut retry = None;
    while next < text.len() {
        match glob.get(at) {
            Some(b'*') => {
                at += 1;
                retry = Some((at, next));
            }
            Some(&byte) if byte == b'?' || byte == text[next] => (at, next) = (at + 1, next + 1),
            Some(_) | None => match retry {
                Some((behind, swallowed)) => {
                    (at, next) = (behind, swallowed + 1);
                    retry = Some((behind, next));
                }
                None => return false,
            },
        }
    }
    glob[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "crates/proxier/src/plan.rs";

    fn vmodule(pairs: &[(&str, u32)]) -> Levels {
        let pairs: Vec<_> = pairs.iter().map(|(glob, level)| ((*glob).to_owned(), *level)).collect();
        Levels::new(1, &pairs)
    }

    #[test]
    fn verbosity_counts_for_all_files() {
        let mut levels = Levels::new(2, &[]);
        assert!(levels.shows(0, PATH) && levels.shows(2, PATH) && !levels.shows(3, PATH));
        levels.set_verbosity(3);
        assert!(levels.shows(3, PATH));
    }

    #[test]
    fn patterns_name_files_or_ends_of_paths() {
        let cases = [
            ("plan", true),
            ("p*n", true),
            ("pl?n", true),
            ("*", true),
            ("**n", true),
            ("*l*a*", true),
            ("plan*", true),
            ("plan?", false),
            ("pla", false),
            ("lan", false),
            ("plan.rs", false),
            ("src/plan", true),
            ("proxier/*/pl*", true),
            ("crates/proxier/src/plan", true),
            ("main/crates/proxier/src/plan", false),
            ("proxier/plan", false),
            ("src/*x", false),
            ("", false),
        ];
        for (glob, expected) in cases {
            assert_eq!(vmodule(&[(glob, 4)]).shows(4, PATH), expected, "{glob}");
        }
    }

    #[test]
    fn first_match_counts_and_never_hides() {
        let levels = vmodule(&[("render", 9), ("plan", 0), ("*", 5)]);
        assert!(levels.shows(1, PATH), "a pattern does not lower the level of all");
        assert!(!levels.shows(2, PATH), "the first match says 0");
        assert!(levels.shows(5, "src/main.rs") && !levels.shows(6, "src/main.rs"));
        assert!(levels.shows(9, "render.rs"));
    }
}
