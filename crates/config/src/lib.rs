//! kube-proxy's configuration file (`KubeProxyConfiguration`, `kubeproxy.config.k8s.io/v1alpha1`) as values.
//!
//! Text in, values and text out: knows no files, no command line and no node.
//!
//! ```
//! let text = "
//! apiVersion: kubeproxy.config.k8s.io/v1alpha1
//! kind: KubeProxyConfiguration
//! clusterCIDR: 10.244.0.0/16
//! ";
//! let decoded = config::decode(text)?;
//! let checked = decoded.config.check()?;
//! assert_eq!(checked.masquerade_mark, 0x4000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod address;
pub mod duration;
pub mod quantity;
mod yaml;

mod config;
mod wire;

mod default;

pub mod gate;

mod decode;
mod print;
mod problem;
mod validate;

pub use config::{
    ClientConnection, Config, Conntrack, DetectLocalMode, DetectLocalNames, FlushFrequency, Iptables, Ipvs,
    LogOptions, Logging, ProxyMode, VModule, Winkernel,
};
pub use decode::{API_VERSION, DecodeError, Decoded, KIND, decode};
pub use duration::Duration;
pub use gate::{Gate, GateLocked, GateNotice, Gates};
pub use problem::{Problem, Problems};
pub use quantity::Quantity;
pub use validate::{Checked, DetectLocal, NodePortAddresses, PRIMARY};
