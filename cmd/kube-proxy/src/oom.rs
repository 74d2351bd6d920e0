//! How readily the kernel kills this process when memory runs out.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tracing::info;

const OWN: &str = "/proc/self/oom_score_adj";

/// How long to wait before the second and last attempt.
const PAUSE: Duration = Duration::from_millis(100);

/// Applies `oomScoreAdj`, on a thread of its own: the second attempt must not delay the rules. Lowering it takes the
/// capability SYS_RESOURCE; without it the process runs on as it is.
///
/// # Errors
/// No thread could be started.
pub(crate) fn adjust(score: i32) -> Result<()> {
    thread::Builder::new()
        .name("oom".to_owned())
        .spawn(move || apply(score))
        .context("can't start a thread")?;
    Ok(())
}

fn apply(score: i32) {
    if let Err(error) = write(Path::new(OWN), score) {
        info!(v = 2, err = %error, oomScoreAdj = score, "Can't set the OOM score");
    }
}

/// A file that is not there does not appear in the meantime.
fn write(path: &Path, score: i32) -> io::Result<()> {
    let write = || fs::write(path, score.to_string());
    match write() {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            thread::sleep(PAUSE);
            write()
        }
        answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_reaches_the_kernel() {
        let before = fs::read_to_string(OWN).unwrap();
        // Anybody may raise it.
        let score = before.trim().parse::<i32>().unwrap().saturating_add(1).min(1000);
        apply(score);
        assert_eq!(fs::read_to_string(OWN).unwrap().trim(), score.to_string());
    }

    #[test]
    fn a_score_that_cannot_be_written_is_an_error() {
        assert_eq!(write(Path::new("/no/such/file"), 0).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(write(Path::new("/proc"), 0).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(write(Path::new(OWN), 1001).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
