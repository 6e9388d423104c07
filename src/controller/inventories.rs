//! What each cloud has: read once at takeover, so that a new leader asks each
//! cloud for one list rather than for every Service, and again and again after
//! that, for drift and for orphans.

use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::retry::random_fraction;
use super::sweep::{Sweep, SweepSettings};
use super::{Context, Trigger};
use crate::cloud::{Cloud, ErrorKind, Inventory};
use crate::election::Role;
use crate::plan::load_balancer::{LoadBalancer, State};
use crate::plan::naming::CloudName;

/// The longest that a Service waits for its cloud's first list.
const FIRST_LIST: Duration = Duration::from_secs(3);

/// A cloud, and what it is known to have.
pub struct CloudInHand {
    /// Its client.
    pub client: Arc<dyn Cloud>,
    /// What it is known to have; what is not in it may exist all the same.
    pub inventory: Inventory,
    /// Whether the first list has ended, well or not.
    listed: watch::Sender<bool>,
    sweep: Sweep,
}

/// How often to look, and what for.
#[derive(Clone, Copy, Debug)]
pub struct LookSettings {
    /// Between two lists of a cloud.
    pub sweep_interval: Duration,
    /// Between two reconciles of every Service, for what was changed behind our back.
    pub drift_interval: Duration,
    /// What to do with orphans.
    pub sweep: SweepSettings,
}

impl CloudInHand {
    /// Nothing is known of it yet.
    pub fn new(client: Arc<dyn Cloud>) -> Self {
        Self {
            client,
            inventory: Inventory::default(),
            listed: watch::Sender::new(false),
            sweep: Sweep::default(),
        }
    }

    /// Waits for the end of the first list, for a few seconds: a cloud that is
    /// slow to list is asked for each Service of its own.
    pub async fn listed(&self) {
        let mut listed = self.listed.subscribe();
        // The sender lives in self, so the wait itself cannot fail.
        let _ = timeout(FIRST_LIST, listed.wait_for(|listed| *listed)).await;
    }

    async fn list(&self, name: &CloudName, context: &Context, settings: SweepSettings) {
        let stamp = self.inventory.begin_load();
        match self.client.list(&context.cluster).await {
            Ok(found) => {
                tracing::info!(cloud = %name, load_balancers = found.len(), "read the cloud's inventory");
                self.count(name, &found, context);
                // Void only if a later list began: that one counts.
                let _ = self.inventory.load(stamp, found.clone());
                self.listed.send_replace(true);
                self.sweep.look(name, self, &found, settings, context).await;
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

impl CloudInHand {
    fn count(&self, name: &CloudName, found: &[LoadBalancer], context: &Context) {
        let states = [
            ("provisioning", State::Provisioning),
            ("active", State::Active),
            ("error", State::Error(String::new())),
            ("deleting", State::Deleting),
        ];
        for (label, state) in states {
            let is_so = |found: &&LoadBalancer| discriminant(&found.state) == discriminant(&state);
            let count = found.iter().filter(is_so).count();
            context.metrics.load_balancers(name.as_str(), label, count);
        }
    }
}

/// From the moment that we lead: each cloud's list, then every Service; and
/// both again at their intervals.
pub async fn follow(context: Arc<Context>, trigger: Trigger, settings: LookSettings) {
    let mut roles = context.roles.clone();
    if roles
        .wait_for(|role| matches!(role, Role::Leader(_)))
        .await
        .is_err()
    {
        return;
    }
    trigger.reconcile_all();
    let lists = context.clouds.iter().map(|(name, cloud)| {
        let context = &context;
        async move {
            loop {
                cloud.list(name, context, settings.sweep).await;
                sleep(spread(settings.sweep_interval)).await;
            }
        }
    });
    let drift = async {
        loop {
            sleep(spread(settings.drift_interval)).await;
            context.forget_absent();
            trigger.reconcile_all();
        }
    };
    let work = join(join_all::<_>(lists), drift);
    context.stopping.run_until_cancelled(work).await;
    // A part that ends by itself ends the process; this one waits for the end.
    std::future::pending().await
}

/// Up to a tenth more or less, so that replicas of several clusters that were
/// restarted together do not ask a cloud together.
fn spread(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * random_fraction())
}
