//! Turns what was noted when this program was built into what it tells about itself.
//!
//! Knows nothing of who asks: `--version`, a metric, a page, the API server's log.

use jiff::Timestamp;

/// What was built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Build {
    /// The Kubernetes release that this program stands in for, such as `v1.36.2`.
    pub(crate) release: String,
    /// This program's own version, such as `0.1.0`.
    pub(crate) version: String,
    /// The commit; empty if that is not known.
    pub(crate) commit: String,
    /// `clean`, or `dirty` if the sources were not those of the commit; empty if that is not known.
    pub(crate) tree_state: String,
    /// Of which time it is, in RFC 3339; empty if that is not known.
    pub(crate) date: String,
    /// The compiler and its version, such as `rustc 1.95.0`; shown where others have that of Go.
    pub(crate) toolchain: String,
    /// Operating system and architecture in Go's words, such as `linux/amd64`.
    pub(crate) platform: String,
}

/// The characters of a commit that tell it from others at a glance.
const SHORT: usize = 7;

impl Build {
    /// This program, reporting to be this release.
    pub(crate) fn of(release: &str) -> Self {
        let seconds = env!("BUILD_SECONDS").parse().ok();
        let date = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        // A compiler names its own commit too, in brackets.
        let toolchain = env!("BUILD_TOOLCHAIN").split(" (").next().unwrap_or_default();
        Self {
            release: release.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: env!("BUILD_COMMIT").to_owned(),
            tree_state: env!("BUILD_TREE_STATE").to_owned(),
            date: date.map(|date| date.to_string()).unwrap_or_default(),
            toolchain: toolchain.to_owned(),
            platform: format!("{}/{}", std::env::consts::OS, go_architecture()),
        }
    }

    /// The header `User-Agent` of a program of this name.
    pub(crate) fn user_agent(&self, program: &str) -> String {
        let commit = self.commit.get(..SHORT).unwrap_or("unknown");
        format!("{program}/{} ({}) kubernetes/{commit}", self.release, self.platform)
    }

    /// `--version=raw`: every detail, as Go prints a struct.
    pub(crate) fn raw(&self) -> String {
        let (major, minor) = self.major_minor();
        let Self { release, commit, tree_state, date, toolchain, platform, .. } = self;
        format!(
            "version.Info{{Major:{major:?}, Minor:{minor:?}, EmulationMajor:\"\", EmulationMinor:\"\", \
             MinCompatibilityMajor:\"\", MinCompatibilityMinor:\"\", GitVersion:{release:?}, GitCommit:{commit:?}, \
             GitTreeState:{tree_state:?}, BuildDate:{date:?}, GoVersion:{toolchain:?}, Compiler:\"rustc\", \
             Platform:{platform:?}}}"
        )
    }

    /// The first two numbers of the release.
    pub(crate) fn major_minor(&self) -> (&str, &str) {
        let mut numbers = self.release.trim_start_matches('v').split('.');
        (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
    }
}

fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::Build;

    fn build() -> Build {
        Build {
            release: "v1.36.2".into(),
            version: "0.1.0".into(),
            commit: "0123456789abcdef0123456789abcdef01234567".into(),
            tree_state: "clean".into(),
            date: "2026-11-23T05:56:00Z".into(),
            toolchain: "rustc 1.95.0".into(),
            platform: "linux/amd64".into(),
        }
    }

    #[test]
    fn the_api_server_learns_who_asks() {
        assert_eq!(build().user_agent("kube-proxy"), "kube-proxy/v1.36.2 (linux/amd64) kubernetes/0123456");
        let unknown = Build { commit: String::new(), ..build() };
        assert_eq!(unknown.user_agent("x"), "x/v1.36.2 (linux/amd64) kubernetes/unknown");
    }

    #[test]
    fn every_detail_is_a_struct_of_go() {
        let expected = "version.Info{Major:\"1\", Minor:\"36\", EmulationMajor:\"\", EmulationMinor:\"\", \
            MinCompatibilityMajor:\"\", MinCompatibilityMinor:\"\", GitVersion:\"v1.36.2\", \
            GitCommit:\"0123456789abcdef0123456789abcdef01234567\", GitTreeState:\"clean\", \
            BuildDate:\"2026-11-23T05:56:00Z\", GoVersion:\"rustc 1.95.0\", Compiler:\"rustc\", \
            Platform:\"linux/amd64\"}";
        assert_eq!(build().raw(), expected);
    }

    #[test]
    fn this_build_knows_its_compiler() {
        let build = Build::of("v1.36.2");
        assert!(build.toolchain.starts_with("rustc 1."), "{build:?}");
        assert!(build.platform.starts_with("linux/"), "{build:?}");
        let is_hash = |text: &str| text.len() == 40 && text.chars().all(|char| char.is_ascii_hexdigit());
        assert!(build.commit.is_empty() || is_hash(&build.commit), "{build:?}");
        assert!(build.date.is_empty() || build.date.ends_with('Z'), "{build:?}");
    }
}
