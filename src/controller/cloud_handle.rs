//! A cloud's client and inventory.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::cloud::{Cloud, Inventory};

/// The longest time that a reconcile waits for the first list of a cloud.
const FIRST_LIST: Duration = Duration::from_secs(3);

/// A cloud's client and inventory.
pub struct CloudHandle {
    pub client: Arc<dyn Cloud>,
    /// The known load balancers; the cloud may have others.
    pub inventory: Inventory,
    /// Whether the first list has ended, successfully or not.
    listed: watch::Sender<bool>,
}

impl CloudHandle {
    pub fn new(client: Arc<dyn Cloud>) -> Self {
        Self {
            client,
            inventory: Inventory::default(),
            listed: watch::Sender::new(false),
        }
    }

    /// Waits for the end of the first list, for at most [`FIRST_LIST`]; after that,
    /// each Service is queried by itself.
    pub async fn wait_for_first_list(&self) {
        let mut listed = self.listed.subscribe();
        // The wait cannot fail because `self` keeps the sender.
        let _ = timeout(FIRST_LIST, listed.wait_for(|listed| *listed)).await;
    }

    /// Records that a list has ended, successfully or not.
    pub fn mark_listed(&self) {
        self.listed.send_replace(true);
    }
}
