//! Names the addresses of Nodes that no cloud can reach: in the log of every replica, and in
//! Events of the leader on the Nodes. The metrics have only their number.

use std::collections::BTreeMap;

use super::seen::Unusable;
use crate::kubernetes::events::{EventReason, Events, ServiceReference};

/// What was named already: a Node once, and again when its addresses have changed.
pub struct UnusableAddresses {
    events: Events,
    logged: BTreeMap<String, Unusable>,
    told: BTreeMap<String, Unusable>,
}

impl UnusableAddresses {
    pub fn new(events: Events) -> Self {
        Self {
            events,
            logged: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    pub fn name(&mut self, found: &BTreeMap<String, Unusable>, is_leader: bool) {
        for (name, node) in found {
            let logged = self.logged.get(name).map(|known| &known.addresses);
            let is_new = |address| logged.is_none_or(|logged| !logged.contains(address));
            for address in node.addresses.iter().filter(|address| is_new(address)) {
                tracing::warn!(
                    node = name,
                    %address,
                    "a Node has an address that no cloud can reach (unspecified, loopback, link-local or multicast); it is left out of the back ends"
                );
            }
            if is_leader && self.told.get(name) != Some(node) {
                let reason = EventReason::UnusableNodeAddress;
                let about = ServiceReference::node(name, &node.uid);
                self.events.emit_for(about, reason, note(node));
            }
        }
        self.logged.clone_from(found);
        if is_leader {
            self.told.clone_from(found);
        }
    }
}

fn note(node: &Unusable) -> String {
    let addresses: Vec<String> = node.addresses.iter().map(ToString::to_string).collect();
    format!(
        "No load balancer can send traffic to {} (unspecified, loopback, link-local or multicast): left out of the back ends. Correct the addresses in the status of this Node, for example by the kubelet's --node-ip",
        addresses.join(", ")
    )
}
