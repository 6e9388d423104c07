//! A cloud, and what it is known to have.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::cloud::{Cloud, Inventory};

/// The longest that a Service waits for its cloud's first list.
const FIRST_LIST: Duration = Duration::from_secs(3);

/// A cloud, and what it is known to have.
pub struct CloudHandle {
    /// Its client.
    pub client: Arc<dyn Cloud>,
    /// What it is known to have; what is not in it may exist all the same.
    pub inventory: Inventory,
    /// Whether the first list has ended, well or not.
    listed: watch::Sender<bool>,
}

impl CloudHandle {
    /// Nothing is known of it yet.
    pub fn new(client: Arc<dyn Cloud>) -> Self {
        Self {
            client,
            inventory: Inventory::default(),
            listed: watch::Sender::new(false),
        }
    }

    /// Waits for the end of the first list, for a few seconds: a cloud that is
    /// slow to list is asked for each Service of its own.
    pub async fn listed(&self) {
        let mut listed = self.listed.subscribe();
        // The sender lives in self, so the wait itself cannot fail.
        let _ = timeout(FIRST_LIST, listed.wait_for(|listed| *listed)).await;
    }

    /// A list has ended, well or not.
    pub fn has_been_listed(&self) {
        self.listed.send_replace(true);
    }
}
