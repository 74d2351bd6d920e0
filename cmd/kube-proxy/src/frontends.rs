//! From service ports to the UDP front ends whose conntrack entries are looked after.
//!
//! Here two crates meet: `proxier` knows what is served, `conntrack` what to do about it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use conntrack::generation::{Delivery, Generation, ServicePort};
use informer::object::{NamespacedName, Protocol};
use proxier::endpoint::Endpoint;
use proxier::family::Family;
use proxier::option::{Host, Options};
use proxier::plan::Installed;
use proxier::proxier::Proxier;
use proxier::render::Reachability;
use proxier::service;
use proxier::world::Dirty;

/// The UDP front ends of one family as of the last commit. Those of Services that did not change
/// are shared with the generation before.
#[derive(Debug, Default)]
pub(crate) struct Frontends {
    by_service: BTreeMap<NamespacedName, Ports>,
    node_addresses: BTreeSet<IpAddr>,
}

/// The UDP service ports of one Service, by name.
type Ports = BTreeMap<Arc<str>, Arc<ServicePort>>;

impl Frontends {
    /// Takes in what a sync committed. Tells whether that makes a difference.
    pub(crate) fn take_in(&mut self, proxier: &Proxier, changed: &Dirty, host: &Host) -> bool {
        let Some(installed) = proxier.installed() else { return false };
        let ports_differ = match changed {
            Dirty::All => {
                let names = proxier.world().services().map(|(name, _)| name);
                let all = names.map(|name| (name.clone(), self.committed(proxier, installed, name)));
                let all = all.filter(|(_, ports)| !ports.is_empty()).collect();
                self.replace(all)
            }
            // Each is looked at, also after the first that differs.
            Dirty::Services(names) => {
                let set = |name| self.set(name, self.committed(proxier, installed, name));
                names.iter().map(set).fold(false, std::ops::BitOr::bitor)
            }
        };
        let addresses_differ = self.move_to(proxier, host);
        ports_differ || addresses_differ
    }

    /// Takes in on which addresses of the node its ports answer. Tells whether that makes a difference.
    pub(crate) fn move_to(&mut self, proxier: &Proxier, host: &Host) -> bool {
        let node_addresses = node_addresses(proxier.world().family(), proxier.options(), host);
        let differs = self.node_addresses != node_addresses;
        self.node_addresses = node_addresses;
        differs
    }

    /// All of them.
    pub(crate) fn generation(&self) -> Generation {
        let ports = self.by_service.values().flatten();
        Generation {
            service_ports: ports.map(|(name, port)| (Arc::clone(name), Arc::clone(port))).collect(),
            node_addresses: self.node_addresses.clone(),
        }
    }

    /// Describes what a sync that failed would have committed, as if all of it delivered.
    pub(crate) fn attempted(proxier: &Proxier, host: &Host) -> Generation {
        const DELIVERING: Reachability = Reachability { any: true, internal: true, external: true };
        let services = proxier.world().services();
        Generation {
            service_ports: services.flat_map(|(name, _)| udp_ports(proxier, name, |_| DELIVERING)).collect(),
            node_addresses: node_addresses(proxier.world().family(), proxier.options(), host),
        }
    }

    /// The UDP service ports of a Service as the tables have them. Where what is wanted was refused, those are the
    /// ones of before, or none.
    fn committed(&self, proxier: &Proxier, installed: &Installed, service: &NamespacedName) -> Ports {
        let mut ports = udp_ports(proxier, service, |port| installed.reachability(port));
        let all = proxier.world().service_ports(service).iter().map(|(name, _)| name);
        for name in all.filter(|name| name.protocol == Protocol::Udp && proxier.is_left_out(name)) {
            let text: Arc<str> = Arc::from(name.to_string());
            match self.by_service.get(service).and_then(|before| before.get(&text)) {
                Some(before) if installed.contains(name) => {
                    ports.insert(text, Arc::clone(before));
                }
                // Its rules are gone, but its flows are right as long as they lead to who serves.
                Some(_) => {}
                None => {
                    ports.remove(&text);
                }
            }
        }
        ports
    }

    fn replace(&mut self, all: BTreeMap<NamespacedName, Ports>) -> bool {
        let differs = self.by_service != all;
        self.by_service = all;
        differs
    }

    fn set(&mut self, service: &NamespacedName, ports: Ports) -> bool {
        if self.by_service.get(service).unwrap_or(&Ports::new()) == &ports {
            return false;
        }
        if ports.is_empty() {
            self.by_service.remove(service);
        } else {
            self.by_service.insert(service.clone(), ports);
        }
        true
    }
}

fn udp_ports(
    proxier: &Proxier,
    service: &NamespacedName,
    reachability: impl Fn(&service::ServicePortName) -> Reachability,
) -> Ports {
    let world = proxier.world();
    let is_udp = |(name, _): &&(service::ServicePortName, _)| name.protocol == Protocol::Udp;
    let mut ports = world.service_ports(service).iter().filter(is_udp).peekable();
    if ports.peek().is_none() {
        return Ports::new();
    }
    let endpoints = world.endpoints(service);
    let describe = |(name, port): &(service::ServicePortName, service::ServicePort)| {
        let serving = endpoints.get(&(name.port.as_str(), name.protocol)).map_or(&[][..], Vec::as_slice);
        let described = describe(port, serving, reachability(name), proxier.options());
        (Arc::from(name.to_string()), Arc::new(described))
    };
    ports.map(describe).collect()
}

fn describe(
    port: &service::ServicePort,
    endpoints: &[Endpoint],
    reachability: Reachability,
    options: &Options,
) -> ServicePort {
    let internal = if reachability.internal { Delivery::Delivering } else { Delivery::Refusing };
    let external = match (reachability.any, reachability.external) {
        (_, true) => Delivery::Delivering,
        (true, false) => Delivery::Partly,
        (false, false) => Delivery::Refusing,
    };
    let external_ips = if options.external_ips { port.external_ips.as_slice() } else { &[] };
    let mut exact = BTreeMap::new();
    for address in external_ips.iter().chain(&port.load_balancer_ips) {
        exact.insert(SocketAddr::new(*address, port.port.get()), external);
    }
    exact.insert(SocketAddr::new(port.cluster_ip, port.port.get()), internal);
    let serving =
        endpoints.iter().filter(|endpoint| endpoint.serving).map(|endpoint| endpoint.address).collect();
    ServicePort { exact, node_port: port.node_port.map(|port| (port, external)), serving }
}

/// Where node ports answer: on loopback only if localhost node ports have an effect.
fn node_addresses(family: Family, options: &Options, host: &Host) -> BTreeSet<IpAddr> {
    let matching = options.node_port_addresses.matching(&host.addresses).into_iter();
    let of_family = matching.filter(|address| Family::of(*address) == family);
    of_family.filter(|address| options.localhost_node_ports || !address.is_loopback()).collect()
}

#[cfg(test)]
mod tests;
