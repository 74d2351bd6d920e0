//! Turns the recorded cases into a line each, and into an exit status: 0 if the real binary reproduces all of them.
//!
//! Does not know how a case is run.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Arg, ArgMatches, Command};
use e2e::backend::Backend;
use e2e::choice;
use e2e::golden::{self, Case};
use e2e::netns;
use e2e::series::{self, Test};
use e2e::source::Kind;

fn main() -> ExitCode {
    series::exit_code("golden", run_all(&arguments().get_matches()))
}

fn arguments() -> Command {
    Command::new("golden")
        .about("Runs kube-proxy on recorded cases and compares the rules. Cases: $GOLDEN_DIR, or e2e/golden")
        .arg(choice::backend())
        .arg(Arg::new("source").long("source").help("only this source").value_parser(["manifests", "api"]))
        .arg(Arg::new("case").long("case").help("only the case of this name"))
}

/// Whether all cases were equal on all backends.
fn run_all(matches: &ArgMatches) -> Result<bool> {
    let folder = std::env::var_os("GOLDEN_DIR").map_or_else(own_cases, PathBuf::from);
    let mut folders = golden::cases(&folder)?;
    if let Some(name) = matches.get_one::<String>("case") {
        folders.retain(|case| case.ends_with(name));
        ensure!(!folders.is_empty(), "no case {name} in {}", folder.display());
    }
    netns::sweep();
    let mut all_equal = true;
    for source in sources(matches.get_one::<String>("source").map(String::as_str)) {
        for backend in choice::backends(matches) {
            let tests = folders.iter().map(|folder| test(folder, backend, source)).collect();
            all_equal &= series::run(tests, &format!("equal ({backend}, {source})"), &mut std::io::stdout())?;
        }
    }
    Ok(all_equal)
}

fn own_cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn sources(chosen: Option<&str>) -> Vec<Kind> {
    match chosen {
        Some("manifests") => vec![Kind::Manifests],
        Some(_) => vec![Kind::Api],
        None => vec![Kind::Manifests, Kind::Api],
    }
}

fn test(folder: &Path, backend: Backend, source: Kind) -> Test<'_> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Test::new(name, move || golden::run(&Case::read(folder)?, backend, source))
}
