//! Turns the pages for people into what they promise: links that lead somewhere, commands that name what exists.
//!
//! Runs no command. Whether a page tells the truth is for those who read it.

mod code_map;
mod commands;
mod evidence;
mod links;

use std::fs;
use std::path::{Path, PathBuf};

/// One page.
struct Page {
    /// Its name in the repository.
    name: String,
    text: String,
}

/// A file or folder of the repository.
fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(place(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All pages, in order.
fn pages() -> Vec<Page> {
    let mut names = Vec::new();
    for folder in ["", "docs/", "docs/reference/"] {
        for entry in fs::read_dir(place(folder)).unwrap_or_else(|error| panic!("{folder}: {error}")) {
            let name = entry.expect("the folder can be listed").file_name();
            let name = name.to_str().expect("names are ASCII");
            if name.ends_with(".md") {
                names.push(format!("{folder}{name}"));
            }
        }
    }
    names.sort();
    assert!(names.len() > 12, "{names:?}");
    names.into_iter().map(|name| Page { text: text(&name), name }).collect()
}
