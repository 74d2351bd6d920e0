//! Turns a folder of manifests into what a `kube-proxy` follows: the folder itself, or an API server that serves it.
//!
//! Does not know the proxy; it says which words make it follow the source.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::command::beside;
use crate::netns::Netns;
use crate::wait;

/// How long the API server may take until it serves.
const READY: Duration = Duration::from_secs(60);

/// Where a proxy gets its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From the files.
    Manifests,
    /// From an API server in the same namespace, over HTTP/2 and TLS.
    Api,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Manifests => "manifests",
            Self::Api => "API server",
        })
    }
}

/// A source that lives as long as its value.
#[derive(Debug)]
pub struct Source {
    manifests: PathBuf,
    server: Option<Server>,
}

#[derive(Debug)]
struct Server {
    child: Child,
    credentials: TempDir,
}

impl Source {
    /// Makes the folder available in a namespace.
    ///
    /// # Errors
    /// If the API server cannot be started.
    pub fn of(kind: Kind, manifests: &Path, netns: &Netns) -> Result<Source> {
        let server = match kind {
            Kind::Manifests => None,
            Kind::Api => Some(Server::start(manifests, netns, &[])?),
        };
        Ok(Source { manifests: manifests.to_owned(), server })
    }

    /// An API server that lets its clients do what the ClusterRole in a file lets them.
    ///
    /// # Errors
    /// If the API server cannot be started.
    pub fn with_role(role: &Path, manifests: &Path, netns: &Netns) -> Result<Source> {
        let server = Server::start(manifests, netns, &[OsStr::new("--role"), role.as_os_str()])?;
        Ok(Source { manifests: manifests.to_owned(), server: Some(server) })
    }

    /// Flags that make a proxy follow it.
    pub fn flags(&self) -> Vec<String> {
        match &self.server {
            None => vec!["--manifests".to_owned(), self.manifests.display().to_string()],
            Some(_) => Vec::new(),
        }
    }

    /// The folder with kubeconfig, certificate and token, if the source is an API server.
    pub fn credentials(&self) -> Option<&Path> {
        self.server.as_ref().map(|server| server.credentials.path())
    }

    /// The configuration with what else is needed to follow it: with a configuration file, flags about the
    /// connection do not count.
    pub fn configured(&self, config: &str) -> String {
        match &self.server {
            None => config.to_owned(),
            Some(server) => {
                let kubeconfig = server.kubeconfig();
                format!(
                    "{config}\nclientConnection: {{kubeconfig: {:?}}}\n",
                    kubeconfig.display().to_string()
                )
            }
        }
    }
}

impl Server {
    fn start(manifests: &Path, netns: &Netns, more: &[&OsStr]) -> Result<Server> {
        let credentials = TempDir::with_prefix("kp-api-").context("make a folder for credentials")?;
        let mut command = netns.command("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(beside("apiserver")?);
        command.arg("--manifests").arg(manifests).arg("--credentials").arg(credentials.path()).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().with_context(|| format!("start {command:?}"))?;
        let mut server = Server { child, credentials };
        wait::until(READY, || server.is_ready())?;
        Ok(server)
    }

    /// The kubeconfig is written when the server serves.
    fn is_ready(&mut self) -> Result<()> {
        ensure!(self.child.try_wait()?.is_none(), "the API server has ended by itself");
        ensure!(self.kubeconfig().exists(), "the API server has not written its kubeconfig");
        Ok(())
    }

    fn kubeconfig(&self) -> PathBuf {
        self.credentials.path().join("kubeconfig")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; nothing is left to do about it then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
