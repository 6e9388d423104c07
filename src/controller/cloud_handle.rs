//! A cloud's client and inventory.

use std::sync::Arc;

use crate::cloud::{Cloud, Inventory};

/// A cloud's client and inventory.
pub struct CloudHandle {
    pub client: Arc<dyn Cloud>,
    /// The known load balancers; the cloud may have others.
    pub inventory: Inventory,
}

impl CloudHandle {
    pub fn new(client: Arc<dyn Cloud>) -> Self {
        Self {
            client,
            inventory: Inventory::default(),
        }
    }
}
