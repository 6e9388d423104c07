//! What each cloud has: read once at takeover, so that a new leader asks each
//! cloud for one list rather than for every Service, and again and again after
//! that, for drift and for orphans.

use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all};
use tokio::time::sleep;

use super::cloud_handle::CloudHandle;
use super::retry::random_fraction;
use super::sweep::{Sweep, SweepSettings};
use super::{Context, Trigger};
use crate::cloud::ErrorKind;
use crate::election::Role;
use crate::plan::load_balancer::{LoadBalancer, State};
use crate::plan::naming::CloudName;

/// How often to look, and what for.
#[derive(Clone, Copy, Debug)]
pub struct ResyncSettings {
    /// Between two lists of a cloud.
    pub sweep_interval: Duration,
    /// Between two reconciles of every Service, for what was changed behind our back.
    pub drift_interval: Duration,
    /// What to do with orphans.
    pub sweep: SweepSettings,
}

/// From the moment that we lead: each cloud's list, then every Service; and
/// both again at their intervals.
pub async fn run(context: Arc<Context>, trigger: Trigger, settings: ResyncSettings) {
    let mut roles = context.roles.clone();
    let leads = |role: &Role| matches!(role, Role::Leader(_));
    if roles.wait_for(leads).await.is_err() {
        // A standby that is about to end; the end of a part would be an error.
        return std::future::pending().await;
    }
    trigger.reconcile_all();
    let lists = context.clouds.iter().map(|(name, cloud)| {
        let context = &context;
        async move {
            let sweep = Sweep::default();
            loop {
                if let Some(found) = list(name, cloud, context).await {
                    sweep
                        .run(name, cloud, &found, settings.sweep, context)
                        .await;
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
    // A part that ends by itself ends the process; this one waits for the end.
    std::future::pending().await
}

/// Up to a tenth more or less, so that replicas of several clusters that were
/// restarted together do not ask a cloud together.
fn spread(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * random_fraction())
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
