//! Turns files into inputs, for builds without libFuzzer.
//!
//! Knows nothing of how the files came about.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Holds `law` against each file that the arguments of the program name, alone or by their directory.
///
/// # Errors
/// When a file cannot be read.
pub fn arguments(law: fn(&[u8])) -> io::Result<()> {
    for argument in env::args_os().skip(1) {
        let count = path(Path::new(&argument), law)?;
        eprintln!("{}: {count} inputs", argument.display());
    }
    Ok(())
}

/// Holds `law` against a file, or against each file in a directory, and says how many there were.
///
/// # Errors
/// When a file cannot be read.
pub fn path(path: &Path, law: fn(&[u8])) -> io::Result<usize> {
    let mut files: Vec<PathBuf> = match path.is_dir() {
        true => fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?,
        false => vec![path.to_owned()],
    };
    files.sort();
    for file in &files {
        eprintln!("{}", file.display());
        law(&fs::read(file)?);
    }
    Ok(files.len())
}
