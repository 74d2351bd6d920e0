//! Turns the containers of a DaemonSet into arguments of `ctr run` that mean the same.
//!
//! Knows the fields that ours uses; any other one that a container runtime would see is an error. The host's network
//! is a namespace here, and volumes are folders of the test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::DaemonSet;
pub(crate) use k8s_openapi::api::core::v1::Container;
use k8s_openapi::api::core::v1::{PodSpec, SecurityContext};

/// Where every pod finds the credentials of its ServiceAccount.
const CREDENTIALS: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// What containerd gives a container that does not ask.
const DEFAULT_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The pod template of the DaemonSet.
pub(crate) struct Pod(PodSpec);

/// What the kubelet would know of the node.
pub(crate) struct Place {
    /// The node's name.
    pub(crate) node: String,
    /// The namespace in place of the host's network.
    pub(crate) netns: String,
    /// What stands for each volume.
    pub(crate) volumes: BTreeMap<&'static str, PathBuf>,
    /// `ca.crt` and `token`.
    pub(crate) credentials: PathBuf,
}

impl Pod {
    /// The DaemonSet of a file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Self::parse(&fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?)
    }

    /// kubeadm's DaemonSet.
    pub(crate) fn kubeadm() -> Result<Self> {
        Self::parse(include_str!("kubeadm.yaml"))
    }

    fn parse(text: &str) -> Result<Self> {
        let daemon_set: DaemonSet = serde_yaml::from_str(text).context("read the DaemonSet")?;
        let spec = daemon_set.spec.and_then(|spec| spec.template.spec).context("the DaemonSet has no pod")?;
        ensure!(spec.host_network == Some(true), "the pod is not on the host's network");
        ensure!(spec.security_context.is_none(), "the pod has a security context");
        Ok(Self(spec))
    }

    /// The container that runs first, if there is one.
    pub(crate) fn init(&self) -> Option<&Container> {
        self.0.init_containers.iter().flatten().next()
    }

    /// The container that stays.
    pub(crate) fn main(&self) -> Result<&Container> {
        self.0.containers.first().context("there is no container")
    }
}

/// The arguments before the image.
pub(crate) fn arguments(container: &Container, place: &Place) -> Result<Vec<String>> {
    let mut arguments = vec![format!("--with-ns=network:{}", place.netns)];
    let security = container.security_context.as_ref().context("there is no security context")?;
    arguments.extend(privileges(security)?);
    for mount in container.volume_mounts.iter().flatten() {
        let volume = place.volumes.get(mount.name.as_str());
        let source = volume.with_context(|| format!("nothing stands for the volume {}", mount.name))?;
        arguments.push(bind(source, &mount.mount_path, mount.read_only == Some(true)));
    }
    arguments.push(bind(&place.credentials, CREDENTIALS, true));
    for variable in container.env.iter().flatten() {
        arguments.push(format!("--env={}={}", variable.name, value(variable, place)?));
    }
    Ok(arguments)
}

/// The command line, with variables replaced as the kubelet does.
pub(crate) fn command(container: &Container, place: &Place) -> Result<Vec<String>> {
    ensure!(container.args.is_none(), "the container has args besides its command");
    let words = container.command.iter().flatten().cloned();
    let mut words: Vec<String> = words.collect();
    for variable in container.env.iter().flatten() {
        let value = value(variable, place)?;
        words.iter_mut().for_each(|word| *word = word.replace(&format!("$({})", variable.name), &value));
    }
    Ok(words)
}

fn privileges(security: &SecurityContext) -> Result<Vec<String>> {
    let mut arguments = Vec::new();
    if security.read_only_root_filesystem == Some(true) {
        arguments.push("--read-only".to_owned());
    }
    if security.privileged == Some(true) {
        ensure!(security.capabilities.is_none(), "a privileged container has all capabilities");
        arguments.extend(["--privileged", "--allow-new-privs"].map(str::to_owned));
        return Ok(arguments);
    }
    // ctr forbids new privileges unless it is told to allow them.
    ensure!(security.allow_privilege_escalation == Some(false), "the container may gain privileges");
    match security.seccomp_profile.as_ref().map(|profile| profile.type_.as_str()) {
        Some("RuntimeDefault") => arguments.push("--seccomp".to_owned()),
        other => bail!("the seccomp profile {other:?} has no counterpart"),
    }
    let capabilities = security.capabilities.clone().unwrap_or_default();
    ensure!(capabilities.drop.as_deref() == Some(&["ALL".to_owned()]), "not all capabilities are dropped");
    let added = capabilities.add.unwrap_or_default();
    let dropped = DEFAULT_CAPABILITIES.iter().filter(|name| !added.iter().any(|added| added == *name));
    arguments.extend(dropped.map(|name| format!("--cap-drop=CAP_{name}")));
    arguments.extend(added.iter().map(|name| format!("--cap-add=CAP_{name}")));
    Ok(arguments)
}

fn bind(source: &Path, target: &str, read_only: bool) -> String {
    let access = if read_only { "ro" } else { "rw" };
    format!("--mount=type=bind,src={},dst={target},options=rbind:{access}", source.display())
}

fn value(variable: &k8s_openapi::api::core::v1::EnvVar, place: &Place) -> Result<String> {
    let field = variable.value_from.as_ref().and_then(|from| from.field_ref.as_ref());
    match (&variable.value, field.map(|field| field.field_path.as_str())) {
        (Some(value), None) => Ok(value.clone()),
        (None, Some("spec.nodeName")) => Ok(place.node.clone()),
        _ => bail!("the variable {} has no counterpart", variable.name),
    }
}
