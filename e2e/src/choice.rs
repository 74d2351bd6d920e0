//! Turns the arguments that programs of tests have in common into a choice of backends and of stories.
//!
//! Does not know which stories there are.

use clap::{Arg, ArgMatches};

use crate::backend::Backend;

/// The argument `--backend`.
pub fn backend() -> Arg {
    Arg::new("backend").long("backend").help("only this backend").value_parser(["nft", "legacy"])
}

/// The backend that was chosen, if one was.
pub fn only_backend(matches: &ArgMatches) -> Option<Backend> {
    let name = matches.get_one::<String>("backend")?;
    Backend::ALL.into_iter().find(|backend| backend.to_string() == *name)
}

/// The backend that was chosen, or else both.
pub fn backends(matches: &ArgMatches) -> Vec<Backend> {
    only_backend(matches).map_or(Backend::ALL.to_vec(), |backend| vec![backend])
}

/// The argument `--story`.
pub fn story() -> Arg {
    Arg::new("story").long("story").help("only stories with this text in their name")
}

/// What names of chosen stories contain; all contain what stands for no choice, nothing.
pub fn story_name(matches: &ArgMatches) -> &str {
    matches.get_one::<String>("story").map_or("", String::as_str)
}
