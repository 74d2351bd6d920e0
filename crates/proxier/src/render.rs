//! Turns the world into the rules this node should have.
//!
//! Knows nothing of what is installed: that is `plan`.

mod dispatch;
mod endpoint;
mod external;
mod fixed;
mod spread;
mod subject;

use informer::object::NamespacedName;

use crate::chain::{ChainName, Table};
use crate::family::Family;
use crate::option::{Host, Options};
use crate::rule::Rule;
use crate::ruleset::{Placed, PortRules, Ruleset};
use crate::service::{ServicePort, ServicePortName};
use crate::world::World;

pub use fixed::{INVALID_COUNTER, LOCALHOST_COUNTER};
pub use subject::Reachability;
use subject::Subject;

/// What every rule of a family may depend on besides its service port.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Which addresses count.
    pub family: Family,
    /// The options of this family.
    pub options: &'a Options,
    /// The host as it is.
    pub host: &'a Host,
    /// Whether rules for endpoints carry no comments.
    pub large: bool,
}

impl<'a> Context<'a> {
    /// The context of a world as it is.
    pub fn of(world: &World, options: &'a Options, host: &'a Host) -> Self {
        Self { family: world.family(), options, host, large: world.is_large() }
    }
}

/// The rules of one service port, and what becomes of its traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedPort {
    /// Which one.
    pub name: ServicePortName,
    /// Its chains and rules.
    pub rules: PortRules,
    /// Whether internal and external traffic finds an endpoint.
    pub reachability: Reachability,
}

/// Renders the ports of one Service; none if it does not exist.
pub fn service(world: &World, service: &NamespacedName, context: &Context) -> Vec<RenderedPort> {
    let endpoints = world.endpoints(service);
    let render = |(name, port): &(ServicePortName, ServicePort)| {
        let endpoints = endpoints.get(&(name.port.as_str(), name.protocol)).map_or(&[][..], Vec::as_slice);
        let subject = Subject::new(name, port, endpoints, world.node(), context);
        RenderedPort { name: name.clone(), rules: port_rules(&subject), reachability: subject.reachability() }
    };
    world.service_ports(service).iter().map(render).collect()
}

/// Renders everything from scratch. Call after [`World::take_dirty`], which counts endpoints.
pub fn ruleset(world: &World, options: &Options, host: &Host) -> Ruleset {
    let context = Context::of(world, options, host);
    let names = world.services().map(|(name, _)| name);
    let ports = names.flat_map(|name| service(world, name, &context));
    Ruleset { ports: ports.map(|port| (port.name, port.rules)).collect(), ..fixed(&context) }
}

/// The rules that do not depend on any Service.
pub fn fixed(context: &Context) -> Ruleset {
    fixed::ruleset(context)
}

/// The order of the steps is the order in which kube-proxy writes them.
fn port_rules(subject: &Subject) -> PortRules {
    let mut rules = PortRules::default();
    dispatch::write(subject, &mut rules);
    spread::masquerade_internal(subject, &mut rules);
    external::write(subject, &mut rules);
    spread::write(subject, &mut rules);
    endpoint::write(subject, &mut rules);
    rules
}

impl PortRules {
    fn declare(&mut self, chain: &ChainName) {
        self.chains.push(chain.clone());
    }

    fn nat(&mut self, chain: &ChainName, rule: Rule) {
        self.rules.push(Placed { table: Table::Nat, chain: chain.clone(), rule });
    }

    fn filter(&mut self, chain: &ChainName, rule: Rule) {
        self.rules.push(Placed { table: Table::Filter, chain: chain.clone(), rule });
    }
}
