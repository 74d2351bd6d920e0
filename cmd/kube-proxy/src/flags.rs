//! Turns the command line into what was typed, and that together with a file into a configuration.
//!
//! Reads no file, prints nothing and ends no process: whoever calls it does what the returned values say.

mod command;
pub(crate) mod complete;
mod syntax;
mod table;
pub(crate) mod version;

use std::path::PathBuf;

use config::Config;
use proxier::backend::Wanted;

pub(crate) use complete::{Notice, Refusal};
pub(crate) use syntax::boolean;

use crate::log::quoted;
use command::Given;
use table::Target;
use version::{RELEASE, VersionFlag};

/// What was typed.
#[derive(Debug, Clone)]
pub(crate) struct Flags {
    /// Flags that are no part of the configuration.
    pub(crate) typed: Typed,
    /// Lines to print on stderr before anything else: the deprecated flags that were used.
    pub(crate) deprecations: Vec<String>,
    given: Vec<Given>,
}

/// Flags that are no part of the configuration, with their defaults if they were not typed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Typed {
    /// `--config`: the configuration file.
    pub(crate) config: Option<PathBuf>,
    /// `--manifests`: the directory that stands in for the API server.
    pub(crate) manifests: Option<PathBuf>,
    /// `--flush-conntrack`: whether stale conntrack entries are deleted.
    pub(crate) flush_conntrack: bool,
    /// `--iptables-backend`: whose rules are written.
    pub(crate) iptables_backend: Wanted,
    /// `--master`: the API server's URL, whatever the kubeconfig says.
    pub(crate) master: Option<String>,
    /// `--cleanup`: remove all rules and exit.
    pub(crate) cleanup: bool,
    /// `--init-only`: do what needs privileges and exit.
    pub(crate) init_only: bool,
    /// `--write-config-to`: write the configuration there and exit.
    pub(crate) write_config_to: Option<PathBuf>,
    /// `--version`: the release that this program reports to be.
    pub(crate) release: String,
    help: bool,
    version: VersionFlag,
    hostname_override: String,
    healthz_port: i32,
    metrics_port: i32,
}

/// The command line asks for no daemon, or is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Text for stdout; the program has done what it was asked for.
    Answer(String),
    /// Text for stderr; the command line is wrong.
    Refusal(String),
}

impl Default for Typed {
    fn default() -> Self {
        Self {
            config: None,
            manifests: None,
            flush_conntrack: true,
            iptables_backend: Wanted::Auto,
            master: None,
            cleanup: false,
            init_only: false,
            write_config_to: None,
            release: RELEASE.to_owned(),
            help: false,
            version: VersionFlag::Run,
            hostname_override: String::new(),
            healthz_port: 10256,
            metrics_port: 10249,
        }
    }
}

impl Stop {
    /// The exit code of the program.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Answer(_) => 0,
            Self::Refusal(_) => 1,
        }
    }
}

impl Flags {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// The text to print instead of running, for `--help` and `--version` as well as for a wrong command line.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, Stop> {
        let line = command::read(words)?;
        let mut target = Target { config: Config::default(), typed: Typed::default() };
        for given in &line.given {
            given.apply(&mut target);
        }
        let typed = target.typed;
        if typed.help {
            return Err(Stop::Answer(command::help()));
        }
        if line.positional.iter().any(|word| !word.is_empty()) {
            let found = line.positional.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
            return Err(Stop::Refusal(format!(
                "Error: \"kube-proxy\" does not take any arguments, got [{found}]\n"
            )));
        }
        match typed.version.answer(&typed.release) {
            Some(answer) => Err(Stop::Answer(answer)),
            None => Ok(Self { typed, deprecations: line.deprecations, given: line.given }),
        }
    }

    /// Every flag with its value in canonical form, by name: what was typed, else the default.
    pub(crate) fn values(&self) -> Vec<(&'static str, String)> {
        let mut values: Vec<_> = table::all()
            .map(|flag| match self.given.iter().find(|given| given.flag.name == flag.name) {
                Some(given) => (flag.name, given.canonical()),
                None => (flag.name, flag.default_text()),
            })
            .collect();
        values.sort_unstable();
        values
    }
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
