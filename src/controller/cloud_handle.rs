//! A cloud's client and inventory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

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
    has_told: AtomicBool,
}

impl CloudHandle {
    pub fn new(client: Arc<dyn Cloud>, profile_capabilities: Capabilities) -> Self {
        Self {
            client,
            profile_capabilities,
            inventory: Inventory::default(),
            doubt: Notify::new(),
            has_told: AtomicBool::new(false),
        }
    }

    /// Whether an answer of the cloud about itself is to be believed. That it does not know the
    /// question, after it has answered it, is so only the second time: a gateway in front of it
    /// may have said so.
    pub fn is_credible(&self, told: Option<&Told>) -> bool {
        let has_told = self.has_told.swap(told.is_some(), Relaxed);
        told.is_some() || !has_told
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
