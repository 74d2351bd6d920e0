//! Turns a kernel backend into a folder of iptables tools that, first in `PATH`, makes every program use it.
//!
//! Does not know what is written with the tools.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::command::{command, run, run_with_input};
use crate::netns::Netns;

/// Where Debian installs what the names of a backend are links to.
const INSTALLED: &str = "/usr/sbin";

/// Where programs are looked for by those who are not told.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// What in the kernel iptables writes to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Backend {
    /// nf_tables, by `iptables-nft`.
    #[default]
    Nft,
    /// The older x_tables, by `iptables-legacy`.
    Legacy,
}

impl Backend {
    /// Both of them.
    pub const ALL: [Backend; 2] = [Backend::Nft, Backend::Legacy];

    /// The program that all tools of the backend are links to.
    pub fn program(self) -> PathBuf {
        Path::new(INSTALLED).join(match self {
            Backend::Nft => "xtables-nft-multi",
            Backend::Legacy => "xtables-legacy-multi",
        })
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Nft => "nft",
            Backend::Legacy => "legacy",
        })
    }
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Family {
    /// `iptables`.
    V4,
    /// `ip6tables`.
    V6,
}

impl Family {
    /// Both of them.
    pub const ALL: [Family; 2] = [Family::V4, Family::V6];

    /// The name of a tool: `iptables` or `ip6tables`, with a suffix such as `-save`.
    pub fn tool(self, suffix: &str) -> String {
        match self {
            Family::V4 => format!("iptables{suffix}"),
            Family::V6 => format!("ip6tables{suffix}"),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// The tools of one backend, with a lock of their own.
#[derive(Debug)]
pub struct Tools {
    folder: TempDir,
    /// Whether nothing but these is found.
    are_alone: bool,
}

impl Tools {
    /// Makes the folder of links.
    ///
    /// # Errors
    /// If the backend is not installed.
    pub fn new(backend: Backend) -> Result<Tools> {
        let folder = TempDir::with_prefix("kp-tools-").context("make a folder for the tools")?;
        link(backend, folder.path())?;
        Ok(Tools { folder, are_alone: false })
    }

    /// The same for programs that find nothing else on their `PATH`, but for what starts them in a namespace.
    ///
    /// # Errors
    /// If that is not installed.
    pub fn alone(self) -> Result<Tools> {
        let path = env::var_os("PATH").unwrap_or_else(|| PATH.into());
        for starter in ["ip", "setpriv"] {
            let program =
                env::split_paths(&path).map(|folder| folder.join(starter)).find(|path| path.is_file());
            let program = program.with_context(|| format!("there is no {starter}"))?;
            symlink(program, self.folder.path().join(starter)).context("link what starts programs")?;
        }
        Ok(Tools { are_alone: true, ..self })
    }

    /// Makes the folder of links again, to another backend.
    ///
    /// # Errors
    /// If the backend is not installed.
    pub fn switch_to(&self, backend: Backend) -> Result<()> {
        names().try_for_each(|name| fs::remove_file(self.folder.path().join(name)))?;
        link(backend, self.folder.path())
    }

    /// The folder, and the lock file in it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes the command, and all that it starts, use these tools.
    pub fn equip<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let mut path = OsString::from(self.folder.path());
        if !self.are_alone {
            path.push(":");
            path.push(env::var_os("PATH").unwrap_or_else(|| PATH.into()));
        }
        command.env("PATH", path).env("XTABLES_LOCKFILE", self.lock()).env("KP_TOOLS", self.folder.path())
    }

    /// Adds rules, with their counters if they have any, to those of a family in a namespace.
    ///
    /// # Errors
    /// What the tool complains of.
    pub fn restore(&self, netns: &Netns, family: Family, rules: &str) -> Result<()> {
        let mut restore = command(self.folder.path().join(family.tool("-restore")));
        restore.args(["--noflush", "--counters"]);
        netns.inside(|| run_with_input(self.equip(&mut restore), rules)).map(drop)
    }

    /// Empties tables of a family, and deletes their chains, all at once: between `iptables -F` and `-X` a daemon may
    /// have mended the first already.
    ///
    /// # Errors
    /// What the tool complains of.
    pub fn flush(&self, netns: &Netns, family: Family, tables: &[&str]) -> Result<()> {
        let empty: String = tables.iter().map(|table| format!("*{table}\nCOMMIT\n")).collect();
        let mut restore = command(self.folder.path().join(family.tool("-restore")));
        restore.args(["-w", "20"]);
        netns.inside(|| run_with_input(self.equip(&mut restore), &empty)).map(drop)
    }

    /// Puts a shell script in the place of a tool, or before one that is not among these.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn replace(&self, tool: &str, script: &str) -> Result<()> {
        let path = self.folder.path().join(tool);
        if path.is_symlink() {
            fs::remove_file(&path).with_context(|| format!("remove {tool}"))?;
        }
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).with_context(|| format!("write {tool}"))?;
        fs::set_permissions(&path, Permissions::from_mode(0o755)).with_context(|| format!("permit {tool}"))
    }

    /// The file that the legacy variant locks.
    pub fn lock(&self) -> PathBuf {
        self.folder.path().join("lock")
    }

    /// All rules of one family in a namespace, as `iptables-save` prints them.
    ///
    /// # Errors
    /// What the tool complains of.
    pub fn save(&self, netns: &Netns, family: Family) -> Result<String> {
        self.save_with(netns, family, &[])
    }

    /// The same with flags of `iptables-save`.
    ///
    /// # Errors
    /// What the tool complains of.
    pub fn save_with(&self, netns: &Netns, family: Family, flags: &[&str]) -> Result<String> {
        let mut save = command(self.folder.path().join(family.tool("-save")));
        save.args(flags);
        netns.inside(|| run(self.equip(&mut save)))
    }
}

/// The tools of both families.
pub(crate) fn names() -> impl Iterator<Item = String> {
    Family::ALL.into_iter().flat_map(|family| ["", "-save", "-restore"].map(|suffix| family.tool(suffix)))
}

pub(crate) fn link(backend: Backend, folder: &Path) -> Result<()> {
    let program = backend.program();
    program.metadata().with_context(|| format!("{} (package iptables)", program.display()))?;
    names().try_for_each(|name| symlink(&program, folder.join(name)).context("link a tool"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_backend_sees_its_own_rules() {
        let netns = Netns::new("backend").unwrap();
        let [nft, legacy] = Backend::ALL.map(|backend| Tools::new(backend).unwrap());
        run(nft.equip(netns.command("iptables").args(["-w", "5", "-N", "MADE-BY-NFT"]))).unwrap();
        run(legacy.equip(netns.command("ip6tables").args(["-w", "5", "-N", "MADE-BY-LEGACY"]))).unwrap();
        assert!(nft.save(&netns, Family::V4).unwrap().contains(":MADE-BY-NFT -"));
        assert!(legacy.save(&netns, Family::V6).unwrap().contains(":MADE-BY-LEGACY -"));
        assert!(!nft.save(&netns, Family::V6).unwrap().contains("MADE-BY"));
        assert!(!legacy.save(&netns, Family::V4).unwrap().contains("MADE-BY"));
    }

    #[test]
    fn looking_makes_no_tables() {
        let netns = Netns::new("look").unwrap();
        for backend in Backend::ALL {
            let tools = Tools::new(backend).unwrap();
            for family in Family::ALL {
                for _ in 0..2 {
                    assert_eq!(tools.save(&netns, family).unwrap(), "", "{backend} {family}");
                }
            }
        }
    }
}
