//! From what the tools refuse to log lines and Events.
//!
//! Knows nothing of how the culprits were found.

use proxier::family::Family;
use proxier::plan::Suspect;
use proxier::proxier::{Refusal, Report};
use tracing::{error, info, warn};

use crate::event::{Events, Happening};

/// Tells of all that a sync left out because it was refused, and of what it could take up again.
pub(crate) fn tell(family: Family, report: &Report, events: &Events) {
    for Refusal { suspect, rule, words } in &report.refused {
        match suspect {
            Suspect::Port(name) => {
                error!(ipFamily = %family, servicePort = %name, rule, err = words, "Left out a service port whose rules are refused; all others are programmed");
                events.tell(Happening::RulesRefused {
                    family,
                    service: name.service.clone(),
                    service_port: name.to_string(),
                    rule: rule.clone(),
                    cause: words.clone(),
                });
            }
            Suspect::Chain(chain) => {
                warn!(ipFamily = %family, chain = %chain, rule, err = words, "Emptied a chain that cannot be deleted: rules of somebody else lead to it");
            }
        }
    }
    for name in &report.accepted {
        info!(ipFamily = %family, servicePort = %name, "Programmed a service port that had been refused");
    }
}
