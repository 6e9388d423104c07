//! What each cloud has: read once at takeover, so that a new leader asks each
//! cloud for one list rather than for every Service, and again for drift.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::watch;
use tokio::time::sleep;

use super::retry::random_fraction;
use super::{Context, Trigger};
use crate::cloud::{Cloud, ErrorKind, Inventory};
use crate::election::Role;
use crate::plan::naming::CloudName;

/// A cloud, and what it is known to have.
pub struct CloudInHand {
    /// Its client.
    pub client: Arc<dyn Cloud>,
    /// What it is known to have; what is not in it may exist all the same.
    pub inventory: Inventory,
    /// Whether the first list has ended, well or not.
    listed: watch::Sender<bool>,
}

impl CloudInHand {
    /// Nothing is known of it yet.
    pub fn new(client: Arc<dyn Cloud>) -> Self {
        Self {
            client,
            inventory: Inventory::default(),
            listed: watch::Sender::new(false),
        }
    }

    /// Waits for the end of the first list. It is bounded by the list's own
    /// deadline; a list that fails only means that this cloud is asked for
    /// every Service of its own.
    pub async fn listed(&self) {
        // The sender lives in self, so the wait cannot fail.
        let _ = self.listed.subscribe().wait_for(|listed| *listed).await;
    }

    async fn list(&self, name: &CloudName, context: &Context) {
        let stamp = self.inventory.begin_load();
        match self.client.list(&context.cluster).await {
            Ok(found) => {
                tracing::info!(cloud = %name, load_balancers = found.len(), "read the cloud's inventory");
                let _ = self.inventory.load(stamp, found);
            }
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                tracing::info!(cloud = %name, "this cloud has no list: each load balancer is asked for by itself");
                self.inventory.clear();
            }
            Err(error) => {
                tracing::warn!(cloud = %name, %error, "the cloud's inventory could not be read");
            }
        }
        self.listed.send_replace(true);
    }
}

/// From the moment that we lead: each cloud's list, then every Service; the
/// same again each `interval`, to see what was changed behind our back.
pub async fn follow(context: Arc<Context>, trigger: Trigger, interval: Duration) {
    let mut roles = context.roles.clone();
    if roles
        .wait_for(|role| matches!(role, Role::Leader(_)))
        .await
        .is_err()
    {
        return;
    }
    trigger.reconcile_all();
    let each = context.clouds.iter().map(|(name, cloud)| {
        let (context, trigger) = (&context, &trigger);
        async move {
            cloud.list(name, context).await;
            loop {
                // Spread, so that replicas restarted together do not list together.
                sleep(interval.mul_f64(0.9 + 0.2 * random_fraction())).await;
                cloud.list(name, context).await;
                trigger.reconcile_all();
            }
        }
    });
    context
        .stopping
        .run_until_cancelled(join_all::<_>(each))
        .await;
    // A part that ends by itself ends the process; this one waits for the end.
    std::future::pending().await
}
