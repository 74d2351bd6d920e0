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
use proxier::proxier::Proxier;
use proxier::render::Reachability;
use proxier::service;
use proxier::world::Dirty;

/// The UDP front ends of one family as of the last commit. Those of Services that did not change
/// are shared with the generation before.
#[derive(Debug, Default)]
pub(crate) struct Frontends {
    by_service: BTreeMap<NamespacedName, BTreeMap<Arc<str>, Arc<ServicePort>>>,
}

impl Frontends {
    /// Takes in what a sync committed, and describes all of it.
    pub(crate) fn committed(&mut self, proxier: &Proxier, changed: &Dirty, host: &Host) -> Generation {
        match changed {
            Dirty::All => {
                self.by_service.clear();
                let names: Vec<_> = proxier.world().services().map(|(name, _)| name.clone()).collect();
                names.iter().for_each(|name| self.update(proxier, name));
            }
            Dirty::Services(names) => names.iter().for_each(|name| self.update(proxier, name)),
        }
        let ports = self.by_service.values().flatten();
        Generation {
            service_ports: ports.map(|(name, port)| (Arc::clone(name), Arc::clone(port))).collect(),
            node_addresses: node_addresses(proxier.world().family(), proxier.options(), host),
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

    fn update(&mut self, proxier: &Proxier, service: &NamespacedName) {
        let Some(installed) = proxier.installed() else { return };
        let ports = udp_ports(proxier, service, |name| installed.reachability(name));
        if ports.is_empty() {
            self.by_service.remove(service);
        } else {
            self.by_service.insert(service.clone(), ports);
        }
    }
}

fn udp_ports(
    proxier: &Proxier,
    service: &NamespacedName,
    reachability: impl Fn(&service::ServicePortName) -> Reachability,
) -> BTreeMap<Arc<str>, Arc<ServicePort>> {
    let world = proxier.world();
    let endpoints = world.endpoints(service);
    let ports = world.service_ports(service).iter().filter(|(name, _)| name.protocol == Protocol::Udp);
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
    let delivery = |delivers| if delivers { Delivery::Delivering } else { Delivery::Refusing };
    let (internal, external) = (delivery(reachability.internal), delivery(reachability.external));
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
