//! The resync: each cloud is listed once at takeover, so that a new leader makes
//! one request to each cloud rather than one for every Service, and again at
//! intervals, for drift and for orphans.

use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all};
use tokio::time::sleep;

use super::cloud_handle::CloudHandle;
use super::orphans::sweep::{Sweep, SweepSettings};
use super::{Context, Trigger};
use crate::cloud::ErrorKind;
use crate::election::Role;
use crate::plan::load_balancer::{LoadBalancer, State};
use crate::plan::naming::CloudName;

/// How often to resync.
#[derive(Clone, Copy, Debug)]
pub struct ResyncSettings {
    /// Between two lists of a cloud.
    pub sweep_interval: Duration,
    /// Between two reconciles of every Service, for drift.
    pub drift_interval: Duration,
    pub sweep: SweepSettings,
}

/// From the moment that this replica leads: lists each cloud, then reconciles
/// every Service; and both again at their intervals.
pub async fn run(context: Arc<Context>, trigger: Trigger, settings: ResyncSettings) {
    let mut roles = context.roles.clone();
    let leads = |role: &Role| matches!(role, Role::Leader(_));
    if roles.wait_for(leads).await.is_err() {
        // A standby that is about to stop; a component that ends would be an error.
        return std::future::pending().await;
    }
    trigger.reconcile_all();
    let lists = context.clouds.iter().map(|(name, cloud)| {
        let context = &context;
        async move {
            let sweep = Sweep::new(name, cloud, settings.sweep, context);
            loop {
                if let Some(found) = list(name, cloud, context).await {
                    sweep.run(&found).await;
                }
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
    std::future::pending().await
}

/// Up to a tenth more or less, so that replicas of several clusters that were
/// restarted together do not list a cloud together.
fn spread(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * fastrand::f64())
}

/// Reads a cloud's list; `None` if it has none or does not answer.
async fn list(
    name: &CloudName,
    cloud: &CloudHandle,
    context: &Context,
) -> Option<Vec<LoadBalancer>> {
    let stamp = cloud.inventory.begin_load();
    let answer = cloud.client.list(&context.cluster).await;
    let found = match answer {
        Ok(found) => {
            tracing::info!(cloud = %name, load_balancers = found.len(), "read the cloud's inventory");
            count(name, &found, context);
            // Void only if a later list began: that one counts.
            let _ = cloud.inventory.load(stamp, found.clone());
            Some(found)
        }
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            tracing::info!(cloud = %name, "this cloud has no list: each load balancer is asked for by itself");
            cloud.inventory.clear();
            context.metrics.inventory.has_no_list(name.as_str());
            None
        }
        Err(error) => {
            tracing::warn!(cloud = %name, %error, "the cloud's inventory could not be read");
            None
        }
    };
    cloud.has_been_listed();
    found
}

fn count(name: &CloudName, found: &[LoadBalancer], context: &Context) {
    let states = [
        ("provisioning", State::Provisioning),
        ("active", State::Active),
        ("error", State::Error(String::new())),
        ("deleting", State::Deleting),
    ];
    for (label, state) in states {
        let is_so = |found: &&LoadBalancer| discriminant(&found.state) == discriminant(&state);
        let count = found.iter().filter(is_so).count();
        let inventory = &context.metrics.inventory;
        inventory.load_balancers(name.as_str(), label, count);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn replicas_that_were_restarted_together_do_not_look_together() {
        let minute = Duration::from_secs(60);
        let waits: HashSet<_> = (0..10).map(|_| spread(minute)).collect();
        assert!(waits.len() > 1, "{waits:?}");
    }
}
