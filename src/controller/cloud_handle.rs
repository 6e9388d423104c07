//! A cloud's client and inventory.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::cloud::{Cloud, Inventory, Quota, Told};
use crate::plan::Capabilities;

/// A cloud's client and inventory.
pub struct CloudHandle {
    pub client: Arc<dyn Cloud>,
    /// The known load balancers; the cloud may have others.
    pub inventory: Inventory,
    /// What the cloud can do if its API does not tell.
    pub profile_capabilities: Capabilities,
    /// Notified when the cloud has refused what it should be able to do.
    pub doubt: Notify,
}

impl CloudHandle {
    pub fn new(client: Arc<dyn Cloud>, profile_capabilities: Capabilities) -> Self {
        Self {
            client,
            profile_capabilities,
            inventory: Inventory::default(),
            doubt: Notify::new(),
        }
    }

    /// What an answer of the cloud about itself means; `None` if its API does not tell.
    pub fn told(&self, told: Option<Told>) -> (Capabilities, Quota) {
        match told {
            Some(Told {
                capabilities,
                quota,
            }) => (capabilities, quota),
            None => (self.profile_capabilities.clone(), Quota::default()),
        }
    }
}
