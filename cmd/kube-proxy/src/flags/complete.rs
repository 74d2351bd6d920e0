//! Turns flags and a configuration file into one configuration: what counts when both say something.
//!
//! Does not read the file and does not log; it returns what there is to say.

use std::fmt;
use std::io;
use std::path::PathBuf;

use config::address::{self, join_host_port};
use config::{Checked, Config, DecodeError, GateLocked, GateNotice, Gates, Problems};

use super::Flags;
use super::command::Given;
use super::table::Target;
use crate::system::reason;

/// A configuration that is complete but not yet checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Completed {
    pub(crate) config: Config,
    pub(crate) gates: Gates,
    /// What to log before logging is configured.
    pub(crate) notices: Vec<Notice>,
}

/// Something that was decided on the way and that an administrator should see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Log `Using lenient decoding as strict decoding failed` with this as its `err`.
    Lenient(String),
    /// No mode was asked for, so it is iptables.
    Mode,
    /// A feature gate is unknown, or will go away.
    Gate(GateNotice),
}

/// Why the program cannot run as it is told; its text is the `err` of the log line `command failed`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The configuration file cannot be read.
    #[error("failed complete: open {}: {}", path.display(), reason(error))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The configuration file is none.
    #[error("failed complete: failed to decode: {0}")]
    Undecodable(#[from] DecodeError),
    /// `--hostname-override` consists of blanks.
    #[error("failed complete: empty hostname-override is invalid")]
    EmptyHostname,
    /// A feature gate is locked.
    #[error("failed complete: {0}")]
    Gate(#[from] GateLocked),
    /// The log cannot be configured like this.
    #[error("initialize logging: {0}")]
    Logging(Problems),
    /// The configuration makes no sense.
    #[error("failed validate: {0}")]
    Invalid(Problems),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lenient(error) => {
                write!(f, "Using lenient decoding as strict decoding failed: {error}")
            }
            Self::Mode => f.write_str("Using iptables proxy"),
            Self::Gate(notice) => notice.fmt(f),
        }
    }
}

impl Flags {
    /// The configuration that the flags ask for, or the text of the file if there is one: then only the flags
    /// about the log and the node's name still count.
    ///
    /// # Errors
    /// The text is no configuration, the node's name is blank, or a feature gate is locked.
    pub(crate) fn complete(&self, file: Option<&str>) -> Result<Completed, Refusal> {
        let (config, strict, has_mode) = match file {
            Some(text) => {
                let decoded = config::decode(text)?;
                (decoded.config, decoded.strict, decoded.has_mode)
            }
            None => (Config::default(), Vec::new(), self.typed_mode().is_some_and(|mode| !mode.is_empty())),
        };
        let mut target = Target { config, typed: self.typed.clone() };
        for given in &self.given {
            if file.is_none() || given.flag.beats_file {
                given.apply(&mut target);
            }
        }
        let mut config = target.config;
        if file.is_none() && self.typed.write_config_to.is_none() {
            self.apply_ports(&mut config);
        }
        self.apply_hostname(&mut config)?;
        let (gates, gate_notices) = Gates::new(&config.feature_gates)?;
        let mut notices = Vec::new();
        if !strict.is_empty() {
            notices.push(Notice::Lenient(format!("strict decoding error: {}", strict.join(", "))));
        }
        if !has_mode {
            notices.push(Notice::Mode);
        }
        notices.extend(gate_notices.into_iter().map(Notice::Gate));
        Ok(Completed { config, gates, notices })
    }

    /// The value of `--proxy-mode`.
    fn typed_mode(&self) -> Option<String> {
        self.given.iter().find(|given| given.flag.name == "proxy-mode").map(Given::canonical)
    }

    fn apply_ports(&self, config: &mut Config) {
        apply_port(&mut config.healthz_bind_address, self.typed.healthz_port);
        apply_port(&mut config.metrics_bind_address, self.typed.metrics_port);
    }

    fn apply_hostname(&self, config: &mut Config) -> Result<(), Refusal> {
        let typed = &self.typed.hostname_override;
        if typed.is_empty() {
            return Ok(());
        }
        let name = typed.trim().to_lowercase();
        if name.is_empty() {
            return Err(Refusal::EmptyHostname);
        }
        config.hostname_override = name;
        Ok(())
    }
}

/// Port 0 turns the server off; any other one is for an address that has none.
fn apply_port(listen: &mut String, port: i32) {
    if port == 0 {
        listen.clear();
    } else if address::parse_ip(listen).is_some() {
        *listen = join_host_port(listen, port);
    }
}

impl Completed {
    /// Checks what must be right before logging is configured.
    ///
    /// # Errors
    /// All that is wrong with section `logging`.
    pub(crate) fn check_logging(&self) -> Result<(), Refusal> {
        self.config.check_logging(&self.gates).map_err(Refusal::Logging)
    }

    /// Checks everything else.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(crate) fn check(self) -> Result<Checked, Refusal> {
        self.config.check().map_err(Refusal::Invalid)
    }
}
