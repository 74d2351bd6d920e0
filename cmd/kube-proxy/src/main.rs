//! kube-proxy: parse, configure, run, exit code.

mod aside;
mod built;
mod cleanup;
mod config_file;
mod crash;
mod earplug;
mod environment;
mod event;
mod family;
mod flags;
mod flaw;
mod flows;
mod frontends;
mod guard;
mod health;
mod log;
mod memory;
mod metrics;
mod node;
mod oom;
mod outside;
mod pace;
mod phase;
mod refused;
mod run;
mod serve;
mod signal;
mod source;
mod start;
mod sync;
mod sysctl;
mod system;
mod tools;
mod warning;

use std::env;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use config::{Checked, ClientConnection};
use informer::api::Connection;
use proxier::backend::{self, Suite, Wanted};
use proxier::host;
use tracing::{error, info, warn};

use built::Build;
use config_file::Watch;
use flags::{Flags, Notice, Refusal, Stop, Typed};
use log::{Format, Json, Log};
use outside::About;
use run::Plan;
use source::Source;

fn main() -> ExitCode {
    let words = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let flags = match Flags::parse(words) {
        Ok(flags) => flags,
        Err(stop) => return answer(&stop),
    };
    flags.deprecations.iter().for_each(|line| eprintln!("{line}"));
    let log = log::init_early();
    crash::end_at_panics();
    match execute(&flags, &log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(err = told(&error), "command failed");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "help and version are what was asked for")]
fn answer(stop: &Stop) -> ExitCode {
    match stop {
        Stop::Answer(text) => print!("{text}"),
        Stop::Refusal(text) => eprint!("{text}"),
    }
    ExitCode::from(stop.exit_code())
}

fn execute(flags: &Flags, log: &Log) -> Result<()> {
    memory::keep_little();
    // As process 1 it would otherwise not hear of them, also while a tool waits for its lock.
    let signals = signal::listen()?;
    let (text, config_file) = read(flags)?.unzip();
    let config = configure(flags, text.as_deref(), log)?;
    let typed = &flags.typed;
    if let Some(path) = &typed.write_config_to {
        fs::write(path, config.config.to_yaml()).with_context(|| format!("open {}", path.display()))?;
        info!(file = %path.display(), "Wrote configuration");
        return Ok(());
    }
    let suite = suite(typed.iptables_backend)?;
    if typed.cleanup {
        return cleanup::everything(suite);
    }
    cleanup::other_modes();
    let node_name = node_name(&config)?;
    let source = match &typed.manifests {
        Some(directory) => Source::Manifests(directory.clone()),
        None => api(typed, &config),
    };
    let plan = Plan {
        signals,
        source,
        config_file,
        node_name,
        suite,
        flush_conntrack: typed.flush_conntrack,
        init_only: typed.init_only,
    };
    let about = About { release: typed.release.clone(), flags: flags.values(), log: log.clone() };
    let result = run::run(plan, &config, about);
    if let Err(error) = &result {
        error!(err = told(error), "Error running ProxyServer");
    }
    result
}

/// The programs of the backend that this node uses.
fn suite(wanted: Wanted) -> Result<Suite> {
    let selection = backend::select(wanted)?;
    if let Some(missed) = selection.missed {
        warn!(backend = %missed, "This node uses a backend of iptables for which there are no programs");
    }
    let backend = selection.backend.map_or_else(|| "unknown".to_owned(), |backend| backend.to_string());
    info!(backend, reason = %selection.reason, "Selected the backend of iptables");
    Ok(selection.suite)
}

fn api(typed: &Typed, config: &Checked) -> Source {
    let (timing, odd) = environment::timing(&config.gates, |name| env::var(name).ok());
    odd.iter().for_each(|odd| warn!("{odd}"));
    let connection = connection(typed, &config.config.client_connection);
    if connection.kubeconfig.is_none() && connection.master.is_none() {
        info!("Neither a kubeconfig nor --master is given, using the service account of the Pod");
    }
    Source::Api(connection, Box::new(timing))
}

fn connection(typed: &Typed, client: &ClientConnection) -> Connection {
    Connection {
        kubeconfig: (!client.kubeconfig.is_empty()).then(|| client.kubeconfig.clone().into()),
        master: typed.master.clone().filter(|master| !master.is_empty()),
        qps: client.qps.into(),
        burst: u32::try_from(client.burst).unwrap_or(0),
        user_agent: Build::of(&typed.release).user_agent(&program()),
    }
}

/// What this program was started as.
fn program() -> String {
    let path = env::args_os().next().map(PathBuf::from);
    let name = path.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "kube-proxy".to_owned())
}

/// Flags and file together, checked; from here on the log is as they say.
fn configure(flags: &Flags, file: Option<&str>, log: &Log) -> Result<Checked, Refusal> {
    let completed = flags.complete(file)?;
    completed.notices.iter().for_each(say);
    completed.check_logging()?;
    let logging = &completed.config.logging;
    let format = if logging.format == "json" { Format::Json } else { Format::Text };
    let vmodule: Vec<_> =
        logging.vmodule.iter().map(|module| (module.file_pattern.clone(), module.verbosity)).collect();
    log.configure(format, logging.verbosity, &vmodule);
    for (name, value) in flags.values() {
        info!(v = 1, "FLAG: --{name}={value:?}");
    }
    let mut checked = completed.check()?;
    info!(v = 1, featureGates = %Json(checked.gates.explicit()), "Updated");
    let (gates, odd) = environment::gates(checked.gates, |name| env::var(name).ok());
    odd.iter().for_each(|odd| warn!("{odd}"));
    checked.gates = gates;
    Ok(checked)
}

/// What went wrong and what caused it, each said once and as Go says it: without the system's numbers. Many errors tell
/// their causes themselves.
fn told(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain() {
        let cause = cause.downcast_ref().map_or_else(|| cause.to_string(), system::reason);
        let cause = cause.split(" (os error").next().unwrap_or_default();
        if told.to_lowercase().contains(&cause.to_lowercase()) {
            continue;
        }
        let separator = if told.is_empty() { "" } else { ": " };
        told = told + separator + cause;
    }
    told
}

/// More than any configuration that is accepted; what never ends is not read to its end.
const MAX_CONFIG: u64 = 2 << 20;

/// The text of `--config`, and the watch on it, which is there before anything is read.
fn read(flags: &Flags) -> Result<Option<(String, Watch)>> {
    let Some(path) = &flags.typed.config else { return Ok(None) };
    let unreadable = |error| Refusal::Unreadable { path: path.clone(), error };
    let file = File::open(path).map_err(unreadable)?;
    let watch =
        Watch::place(&file).with_context(|| format!("failed complete: can't watch {}", path.display()))?;
    let mut text = String::new();
    file.take(MAX_CONFIG).read_to_string(&mut text).map_err(unreadable)?;
    Ok(Some((text, watch)))
}

fn say(notice: &Notice) {
    match notice {
        Notice::Lenient(error) => info!(err = error, "Using lenient decoding as strict decoding failed"),
        Notice::Mode => info!("{notice}"),
        Notice::Gate(gate) => warn!("{gate}"),
    }
}

/// The override, or what the host calls itself, in lower case.
fn node_name(config: &Checked) -> Result<String> {
    let typed = config.config.hostname_override.trim();
    let name = if typed.is_empty() { host::name() } else { typed.to_owned() };
    let name = name.trim().to_lowercase();
    if name.is_empty() {
        bail!("empty hostname is invalid");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_told_once() {
        let missing = std::io::Error::from_raw_os_error(2);
        let error = anyhow::Error::from(missing).context("failed to read CA: no such file or directory");
        assert_eq!(told(&error.context("connect")), "connect: failed to read CA: no such file or directory");
        let missing = anyhow::Error::from(std::io::Error::from_raw_os_error(2)).context("can't read x");
        assert_eq!(told(&missing), "can't read x: no such file or directory");
    }
}
