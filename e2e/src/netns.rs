//! Turns a label into a network namespace that goes away with its value, also when a test panics.
//!
//! Does not know what runs in it. The host's own namespace is never changed: links are made inside.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::{Context, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::command::{command, run, run_with_input};

/// Where `ip netns` keeps its namespaces.
const HOME: &str = "/run/netns";

static NUMBER: AtomicU32 = AtomicU32::new(1);

/// A network namespace of this process, named `kp-<pid>-<number>-<label>`; `lo` is up.
#[derive(Debug)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes a namespace. Its IPv6 addresses are usable at once, without duplicate detection.
    ///
    /// # Errors
    /// If this process may not make namespaces: it needs root.
    pub fn new(label: &str) -> Result<Netns> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("kp-{}-{number}-{label}", process::id());
        run(command("ip").args(["netns", "add", &name])).context("make a network namespace (needs root)")?;
        let netns = Netns { name };
        netns.set_sysctl("net.ipv6.conf.all.accept_dad", "0")?;
        netns.set_sysctl("net.ipv6.conf.default.accept_dad", "0")?;
        netns.ip("link set lo up")?;
        Ok(netns)
    }

    /// The name that `ip netns exec` knows.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs commands of `ip`, one in each line of `batch`, in the namespace.
    ///
    /// # Errors
    /// What `ip` complains of, with the number of the line.
    pub fn ip(&self, batch: &str) -> Result<()> {
        run_with_input(command("ip").args(["-n", &self.name, "-batch", "-"]), batch)?;
        Ok(())
    }

    /// Lays a cable from `link` in this namespace to `far_link` in the other one; both ends are up.
    ///
    /// # Errors
    /// What `ip` complains of.
    pub fn connect(&self, link: &str, far: &Netns, far_link: &str) -> Result<()> {
        self.ip(&format!(
            "link add {link} type veth peer name {far_link} netns {}\nlink set {link} up",
            far.name
        ))?;
        far.ip(&format!("link set {far_link} up"))
    }

    /// A command that will run in the namespace, with the process id that it is started with.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = command("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Does `work` on a thread of its own that has entered the namespace; sockets made there belong to it.
    ///
    /// # Panics
    /// If `work` does, or if the namespace cannot be entered.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let done = thread::scope(|scope| {
            let worker = scope.spawn(|| {
                enter(&self.path());
                work()
            });
            worker.join()
        });
        done.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// As [`Netns::inside`], but returns at once; the thread ends when `work` does.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let path = self.path();
        thread::spawn(move || {
            enter(&path);
            work()
        })
    }

    /// The value of a sysctl, named with dots, in the namespace.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn sysctl(&self, name: &str) -> Result<String> {
        let read = self.inside(|| fs::read_to_string(sysctl_path(name)));
        Ok(read.with_context(|| format!("read {name}"))?.trim_end().to_owned())
    }

    /// Sets a sysctl, named with dots, in the namespace.
    ///
    /// # Errors
    /// If there is none of that name, or the value does not suit it.
    pub fn set_sysctl(&self, name: &str, value: &str) -> Result<()> {
        let written = self.inside(|| fs::write(sysctl_path(name), value));
        written.with_context(|| format!("set {name} to {value}"))
    }

    fn path(&self) -> PathBuf {
        Path::new(HOME).join(&self.name)
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Removes the namespaces of earlier test runs that were killed before they could do it themselves.
pub fn sweep() {
    for entry in fs::read_dir(HOME).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if owner(&name).is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            remove(&name);
        }
    }
}

/// The process that made the namespace, if it is one of ours.
fn owner(name: &str) -> Option<u32> {
    let (pid, rest) = name.strip_prefix("kp-")?.split_once('-')?;
    rest.split_once('-')?.0.parse::<u32>().ok()?;
    pid.parse().ok()
}

fn remove(name: &str) {
    if let Err(error) = run(command("ip").args(["netns", "delete", name])) {
        eprintln!("network namespace {name} stays behind: {error:#}");
    }
}

/// Moves the calling thread, which must not be used for anything else afterwards.
fn enter(path: &Path) {
    let file = File::open(path).unwrap_or_else(|error| panic!("open {}: {error}", path.display()));
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .unwrap_or_else(|error| panic!("enter {}: {error}", path.display()));
}

fn sysctl_path(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name.replace('.', "/"))
}

#[cfg(test)]
mod tests;
