//! The table of all flags: name, syntax, default, help and effect, each stated once.
//!
//! The command line, its help, its documentation and its tests are made from it. Knows no parser.

mod api;
mod log;
mod network;
mod node;
mod run;

use std::collections::BTreeMap;
use std::path::PathBuf;

use config::{Config, Duration, Quantity, VModule};
use proxier::backend::Wanted;

use super::version::VersionFlag;
use super::{Typed, syntax};

/// What flags have an effect on.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) config: Config,
    pub(super) typed: Typed,
}

/// One flag.
#[derive(Debug)]
pub(super) struct Flag {
    /// Without the dashes before it.
    pub(super) name: &'static str,
    /// One letter that means the same.
    pub(super) short: Option<char>,
    /// The value if it is not typed, in canonical form.
    pub(super) default: &'static str,
    /// What it does.
    pub(super) help: &'static str,
    /// Its syntax, and what a value changes.
    pub(super) set: Set,
    /// Whether it has an effect on the configuration although there is a file.
    pub(super) beats_file: bool,
    /// What to use in its place, if it should not be used any more.
    pub(super) deprecated: Option<&'static str>,
    /// Whether the original kube-proxy does not have it.
    pub(super) is_ours: bool,
}

/// The syntax of a flag, and what a value of it changes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Set {
    Bool(fn(&mut Target, bool)),
    Int32(fn(&mut Target, i32)),
    Float32(fn(&mut Target, f32)),
    Duration(fn(&mut Target, Duration)),
    Text(fn(&mut Target, String)),
    Path(fn(&mut Target, Option<PathBuf>)),
    List(fn(&mut Target, Vec<String>)),
    BoolMap(fn(&mut Target, BTreeMap<String, bool>)),
    Ip(fn(&mut Target, String)),
    IpPort(fn(&mut Target, String)),
    Level(fn(&mut Target, u32)),
    Patterns(fn(&mut Target, Vec<VModule>)),
    Quantity(fn(&mut Target, Quantity)),
    Version(fn(&mut Target, VersionFlag)),
    Backend(fn(&mut Target, Wanted)),
}

/// Every flag.
pub(super) fn all() -> impl Iterator<Item = &'static Flag> {
    [run::FLAGS, node::FLAGS, network::FLAGS, api::FLAGS, log::FLAGS].into_iter().flatten()
}

/// The flag of a name, with dashes and not underscores.
pub(super) fn find(name: &str) -> Option<&'static Flag> {
    all().find(|flag| flag.name == name)
}

// === impl Flag ===

impl Flag {
    const fn new(name: &'static str, default: &'static str, set: Set, help: &'static str) -> Self {
        Self { name, short: None, default, help, set, beats_file: false, deprecated: None, is_ours: false }
    }

    const fn short(self, letter: char) -> Self {
        Self { short: Some(letter), ..self }
    }

    const fn beats_file(self) -> Self {
        Self { beats_file: true, ..self }
    }

    const fn deprecated(self, instead: &'static str) -> Self {
        Self { deprecated: Some(instead), ..self }
    }

    const fn ours(self) -> Self {
        Self { is_ours: true, ..self }
    }

    /// The default as a value is printed.
    pub(super) fn default_text(&self) -> String {
        let is_list = matches!(self.set, Set::List(_));
        if is_list { format!("[{}]", self.default) } else { self.default.to_owned() }
    }
}

// === impl Set ===

impl Set {
    /// The word for such values in the help.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::Int32(_) => "int32",
            Self::Float32(_) => "float32",
            Self::Duration(_) => "duration",
            Self::Text(_) => "string",
            Self::Path(_) => "path",
            Self::List(_) => "strings",
            Self::BoolMap(_) => "name=bool,...",
            Self::Ip(_) => "ip",
            Self::IpPort(_) => "ip:port",
            Self::Level(_) => "level",
            Self::Patterns(_) => "pattern=level,...",
            Self::Quantity(_) => "quantity",
            Self::Version(_) => "true|false|raw",
            Self::Backend(_) => "auto|nft|legacy",
        }
    }

    /// Whether the flag alone means `true`, so that a value can only follow an equal sign.
    pub(super) fn is_switch(self) -> bool {
        matches!(self, Self::Bool(_) | Self::Version(_))
    }

    /// Whether a text is a value of this kind.
    ///
    /// # Errors
    /// What is wanted.
    pub(super) fn check(self, text: &str) -> Result<(), String> {
        match self {
            Self::Bool(_) => syntax::boolean(text).map(drop),
            Self::Int32(_) => syntax::int32(text).map(drop),
            Self::Float32(_) => syntax::float32(text).map(drop),
            Self::Duration(_) => duration(text).map(drop),
            Self::Text(_) | Self::Path(_) => Ok(()),
            Self::List(_) => syntax::list(text).map(drop),
            Self::BoolMap(_) => syntax::bool_map(text).map(drop),
            Self::Ip(_) => syntax::ip(text).map(drop),
            Self::IpPort(_) => syntax::ip_port(text).map(drop),
            Self::Level(_) => syntax::level(text).map(drop),
            Self::Patterns(_) => syntax::patterns(text).map(drop),
            Self::Quantity(_) => quantity(text).map(drop),
            Self::Version(_) => VersionFlag::parse(text).map(drop),
            Self::Backend(_) => backend(text).map(drop),
        }
    }

    /// Lets the values of all occurrences of the flag, each checked, have their effect.
    pub(super) fn apply(self, target: &mut Target, texts: &[String]) {
        match self {
            Self::Bool(set) => last(texts, syntax::boolean, |value| set(target, value)),
            Self::Int32(set) => last(texts, syntax::int32, |value| set(target, value)),
            Self::Float32(set) => last(texts, syntax::float32, |value| set(target, value)),
            Self::Duration(set) => last(texts, duration, |value| set(target, value)),
            Self::Text(set) => last(texts, text, |value| set(target, value)),
            Self::Path(set) => last(texts, path, |value| set(target, value)),
            Self::List(set) => set(target, every(texts, syntax::list)),
            Self::BoolMap(set) => set(target, every(texts, syntax::bool_map)),
            Self::Ip(set) => last(&non_empty(texts), syntax::ip, |value| set(target, value)),
            Self::IpPort(set) => last(&non_empty(texts), syntax::ip_port, |value| set(target, value)),
            Self::Level(set) => last(texts, syntax::level, |value| set(target, value)),
            Self::Patterns(set) => set(target, every(texts, syntax::patterns)),
            Self::Quantity(set) => last(texts, quantity, |value| set(target, value)),
            Self::Backend(set) => last(texts, backend, |value| set(target, value)),
            Self::Version(set) => {
                texts
                    .iter()
                    .filter_map(|text| VersionFlag::parse(text).ok())
                    .for_each(|value| set(target, value));
            }
        }
    }

    /// The values of all occurrences in one canonical text; nothing if they leave the default in place.
    pub(super) fn canonical(self, texts: &[String]) -> Option<String> {
        match self {
            Self::Bool(_) => shown(texts, syntax::boolean, |value| value.to_string()),
            Self::Int32(_) => shown(texts, syntax::int32, |value| value.to_string()),
            Self::Float32(_) => shown(texts, syntax::float32, |value| value.to_string()),
            Self::Duration(_) => shown(texts, duration, |value| value.to_string()),
            Self::Text(_) | Self::Path(_) => texts.last().cloned(),
            Self::List(_) => Some(format!("[{}]", every::<Vec<_>, _>(texts, syntax::list).join(","))),
            Self::BoolMap(_) => Some(join(every::<BTreeMap<_, _>, _>(texts, syntax::bool_map))),
            Self::Ip(_) | Self::IpPort(_) => non_empty(texts).last().cloned(),
            Self::Level(_) => shown(texts, syntax::level, |value| value.to_string()),
            Self::Patterns(_) => {
                let entries: Vec<VModule> = every(texts, syntax::patterns);
                Some(join(entries.into_iter().map(|entry| (entry.file_pattern, entry.verbosity))))
            }
            Self::Quantity(_) => shown(texts, quantity, |value| value.to_string()),
            Self::Backend(_) => shown(texts, backend, |value| value.to_string()),
            Self::Version(_) => shown(texts, VersionFlag::parse, |value| value.canonical()),
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    text.parse().map_err(|error: config::duration::DurationError| error.to_string())
}

fn quantity(text: &str) -> Result<Quantity, String> {
    text.parse().map_err(|error: config::quantity::QuantityError| error.to_string())
}

fn backend(text: &str) -> Result<Wanted, String> {
    text.parse()
}

fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// No text at all is no path.
fn path(text: &str) -> Result<Option<PathBuf>, String> {
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}

/// Of several occurrences of a flag with one value the last counts.
fn last<T>(texts: &[String], parse: fn(&str) -> Result<T, String>, set: impl FnOnce(T)) {
    if let Some(Ok(value)) = texts.last().map(|text| parse(text)) {
        set(value);
    }
}

fn shown<T>(
    texts: &[String],
    parse: fn(&str) -> Result<T, String>,
    show: impl FnOnce(T) -> String,
) -> Option<String> {
    texts.last().and_then(|text| parse(text).ok()).map(show)
}

/// Several occurrences of a flag with many values add up.
fn every<C, T>(texts: &[String], parse: fn(&str) -> Result<C, String>) -> C
where
    C: IntoIterator<Item = T> + FromIterator<T>,
{
    texts.iter().filter_map(|text| parse(text).ok()).flatten().collect()
}

fn non_empty(texts: &[String]) -> Vec<String> {
    texts.iter().filter(|text| !text.is_empty()).cloned().collect()
}

fn join<V: ToString>(pairs: impl IntoIterator<Item = (String, V)>) -> String {
    let pairs: Vec<_> =
        pairs.into_iter().map(|(key, value)| format!("{key}={}", value.to_string())).collect();
    pairs.join(",")
}
