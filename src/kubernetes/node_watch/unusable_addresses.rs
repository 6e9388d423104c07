//! Names the Nodes of which no load balancer can use something, which a kubelet writes: in the
//! log of every replica, and addresses in Events of the leader on the Nodes. The metrics have
//! only their number.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::seen::Unusable;
use crate::kubernetes::events::{EventReason, Events, ServiceReference};
use crate::kubernetes::node_object::{ADDRESSES, LABELS};
use crate::telemetry::log_throttle::{LogKey, LogThrottle};

/// Addresses of a Node that one line or Event names.
const ADDRESSES_NAMED: usize = 3;

/// What was named already: a Node once, and again when its addresses have changed.
pub struct UnusableAddresses {
    events: Events,
    log_throttle: LogThrottle,
    logged: BTreeMap<String, Unusable>,
    told: BTreeMap<String, Unusable>,
}

impl UnusableAddresses {
    pub fn new(events: Events, log_throttle: LogThrottle) -> Self {
        Self {
            events,
            log_throttle,
            logged: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// Names what was found. Must be called within a tokio runtime.
    pub fn name(&mut self, found: &BTreeMap<String, Unusable>, is_leader: bool) {
        for (name, node) in found {
            self.log(name, node);
            let is_told = self.told.get(name) == Some(node);
            if is_leader && !is_told && !node.addresses.is_empty() {
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

    fn log(&self, name: &str, node: &Unusable) {
        let logged = self.logged.get(name);
        let is_new =
            |address: &&IpAddr| logged.is_none_or(|known| !known.addresses.contains(*address));
        let new: Vec<IpAddr> = node.addresses.iter().filter(is_new).copied().collect();
        if !new.is_empty() && self.should_name("unusable_address", name) {
            tracing::warn!(
                node = name,
                addresses = few(new.iter()),
                "a Node has addresses that no cloud can reach (unspecified, loopback, link-local or multicast); they are left out of the back ends"
            );
        }
        let fields = &node.too_large;
        let is_logged = logged.is_some_and(|known| known.too_large == *fields);
        if !fields.is_empty() && !is_logged && self.should_name("too_large", name) {
            tracing::warn!(
                node = name,
                ?fields,
                "a Node has more addresses or labels than are read; only its first {ADDRESSES} addresses count, and with more than {LABELS} bytes of labels no node-selector matches it"
            );
        }
    }

    fn should_name(&self, reason: &'static str, node: &str) -> bool {
        let key = LogKey {
            cloud: None,
            operation: "watch_nodes",
            reason,
        };
        self.log_throttle.should_name(key, node)
    }
}

fn note(node: &Unusable) -> String {
    format!(
        "No load balancer can send traffic to {} (unspecified, loopback, link-local or multicast): left out of the back ends. Correct the addresses in the status of this Node, for example by the kubelet's --node-ip",
        few(node.addresses.iter())
    )
}

/// The first of these addresses, and the number of the others.
fn few<'a>(addresses: impl ExactSizeIterator<Item = &'a IpAddr>) -> String {
    let more = addresses.len().saturating_sub(ADDRESSES_NAMED);
    let named = addresses.take(ADDRESSES_NAMED).map(ToString::to_string);
    let named = Vec::from_iter(named).join(", ");
    match more {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
