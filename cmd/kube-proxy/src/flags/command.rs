//! Turns words of the command line into flags and their values, with the errors that kube-proxy has.
//!
//! clap reads the values and writes the help; the words are first put into the one form that means the
//! same to it. Does not know what a flag does.

use std::error::Error;

use clap::error::ContextKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::Stop;
use super::table::{self, Flag, Target};

/// A flag that was typed, with the value of each time.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) flag: &'static Flag,
    values: Vec<String>,
}

/// A command line without a mistake.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) given: Vec<Given>,
    pub(super) positional: Vec<String>,
    pub(super) deprecations: Vec<String>,
}

impl Given {
    pub(super) fn apply(&self, target: &mut Target) {
        self.flag.set.apply(target, &self.values);
    }

    pub(super) fn canonical(&self) -> String {
        self.flag.set.canonical(&self.values).unwrap_or_else(|| self.flag.default_text())
    }
}

/// Reads a command line without the program's name.
pub(super) fn read(words: impl IntoIterator<Item = String>) -> Result<Line, Stop> {
    let words = Words::of(words);
    let deprecations = words.deprecations();
    let refuse = |reason: String| {
        let before: String = deprecations.iter().map(|line| format!("{line}\n")).collect();
        Stop::Refusal(format!("{before}{}\nError: {reason}\n", help()))
    };
    let matches = command().try_get_matches_from(&words.flags).map_err(|error| refuse(reason(&error)))?;
    if let Some(broken) = words.broken {
        return Err(refuse(broken));
    }
    let given = table::all().filter_map(|flag| given(flag, &matches)).collect();
    Ok(Line { given, positional: words.positional, deprecations })
}

/// The text of `--help`.
pub(super) fn help() -> String {
    command().render_help().to_string()
}

// === words ===

/// The words of a command line, sorted by what they are.
#[derive(Debug, Default)]
struct Words {
    /// `--name` or `--name=value`, with dashes in the name.
    flags: Vec<String>,
    /// What is no flag, empty words as well.
    positional: Vec<String>,
    /// Why the words after these cannot be read.
    broken: Option<String>,
}

impl Words {
    fn of(words: impl IntoIterator<Item = String>) -> Self {
        let mut sorted = Self::default();
        let mut rest = words.into_iter();
        while let Some(word) = rest.next() {
            let result = match word.strip_prefix("--") {
                Some("") => {
                    sorted.positional.extend(rest.by_ref());
                    Ok(())
                }
                Some(long) => sorted.long(long, &mut rest),
                None if word.len() > 1 && word.starts_with('-') => sorted.short(&word, &mut rest),
                None => {
                    sorted.positional.push(word);
                    Ok(())
                }
            };
            if let Err(reason) = result {
                sorted.broken = Some(reason);
                break;
            }
        }
        sorted
    }

    fn long(&mut self, word: &str, rest: &mut impl Iterator<Item = String>) -> Result<(), String> {
        let (typed, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        if typed.is_empty() || typed.starts_with('-') {
            return Err(format!("bad flag syntax: --{word}"));
        }
        let name = typed.replace('_', "-");
        let flag = table::find(&name).ok_or_else(|| format!("unknown flag: --{typed}"))?;
        let missing = || format!("flag needs an argument: --{typed}");
        self.push(flag, value, rest, missing)
    }

    /// One or more letters after one dash; the first that takes a value takes what follows it.
    fn short(&mut self, word: &str, rest: &mut impl Iterator<Item = String>) -> Result<(), String> {
        let mut letters = word[1..].chars();
        while let Some(letter) = letters.next() {
            let flag = table::all()
                .find(|flag| flag.short == Some(letter))
                .ok_or_else(|| format!("unknown shorthand flag: {letter:?} in {word}"))?;
            let after = letters.as_str();
            let value = match after.strip_prefix('=') {
                Some(value) => Some(value.to_owned()),
                None if flag.set.is_switch() || after.is_empty() => None,
                None => Some(after.to_owned()),
            };
            let is_last = value.is_some();
            self.push(flag, value, rest, || format!("flag needs an argument: {letter:?} in {word}"))?;
            if is_last {
                break;
            }
        }
        Ok(())
    }

    fn push(
        &mut self,
        flag: &Flag,
        value: Option<String>,
        rest: &mut impl Iterator<Item = String>,
        missing: impl FnOnce() -> String,
    ) -> Result<(), String> {
        let value = match value {
            None if flag.set.is_switch() => None,
            None => Some(rest.next().ok_or_else(missing)?),
            given => given,
        };
        let value = value.map_or_else(String::new, |value| format!("={value}"));
        self.flags.push(format!("--{}{value}", flag.name));
        Ok(())
    }

    fn deprecations(&self) -> Vec<String> {
        let typed = self.flags.iter().filter_map(|word| find_in(word));
        typed
            .filter_map(|flag| {
                flag.deprecated.map(|instead| format!("Flag --{} has been deprecated, {instead}", flag.name))
            })
            .collect()
    }
}

/// The flag that a text such as `--name=value` begins with.
fn find_in(text: &str) -> Option<&'static Flag> {
    let name = text.strip_prefix("--")?;
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(name.len());
    table::find(&name[..end])
}

// === clap ===

fn command() -> Command {
    Command::new("kube-proxy")
        .about(
            "Makes Kubernetes Services reachable from this node: follows Services and EndpointSlices and \
             programs iptables rules that lead packets to the endpoints.",
        )
        .override_usage("kube-proxy [flags]")
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(table::all().map(arg))
}

fn arg(flag: &'static Flag) -> Arg {
    let arg = Arg::new(flag.name)
        .long(flag.name)
        .short(flag.short)
        .help(explained(flag))
        .value_name(flag.set.kind())
        .hide(flag.deprecated.is_some())
        .help_heading(if flag.is_ours { "Flags that only this kube-proxy has" } else { "Flags" })
        .action(ArgAction::Append)
        .value_parser(move |text: &str| flag.set.check(text).map(|()| text.to_owned()));
    if flag.set.is_switch() {
        arg.num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        arg.num_args(1).allow_hyphen_values(true)
    }
}

fn explained(flag: &Flag) -> String {
    let default = flag.default_text();
    if default.is_empty() || default == "[]" || default == "false" {
        flag.help.to_owned()
    } else {
        format!("{} [default: {default}]", flag.help)
    }
}

fn given(flag: &'static Flag, matches: &ArgMatches) -> Option<Given> {
    let typed = matches.value_source(flag.name) == Some(ValueSource::CommandLine);
    let values = matches.get_many::<String>(flag.name).filter(|_| typed)?;
    Some(Given { flag, values: values.cloned().collect() })
}

/// A wrong value in kube-proxy's words.
fn reason(error: &clap::Error) -> String {
    let text = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let Some(flag) = find_in(&text(ContextKind::InvalidArg)) else {
        return error.to_string();
    };
    let name = match flag.short {
        Some(letter) => format!("-{letter}, --{}", flag.name),
        None => format!("--{}", flag.name),
    };
    let reason = error.source().map(ToString::to_string).unwrap_or_default();
    format!("invalid argument {:?} for {name:?} flag: {reason}", text(ContextKind::InvalidValue))
}
