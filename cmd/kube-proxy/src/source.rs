//! Where the cluster's state comes from: a thread that sends changes to the loop.
//!
//! Knows nothing of what the loop does with them.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::thread;

use anyhow::{Context, Result};
use informer::directory;
use tracing::error;

use crate::sync::Wake;

/// Follows a directory of manifests until the receiver is gone. The thread ends with the process.
///
/// # Errors
/// No thread could be started.
pub(crate) fn follow_directory(path: PathBuf, wakes: Sender<Wake>) -> Result<()> {
    let (never, held) = io::pipe().context("can't make a pipe")?;
    let deliver = {
        let wakes = wakes.clone();
        move |batch| match wakes.send(Wake::Changed(batch)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    let follow = move || {
        let _held = held;
        if let Err(error) = directory::watch(&path, never, deliver) {
            error!(err = %error, directory = %path.display(), "Can't follow the directory of manifests");
            // Without a source nothing would ever change again.
            let _gone = wakes.send(Wake::Shutdown);
        }
    };
    thread::Builder::new().name("manifests".to_owned()).spawn(follow).context("can't start a thread")?;
    Ok(())
}
