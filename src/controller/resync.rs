//! The resync: lists each cloud at takeover, so that a new leader makes one request
//! to each cloud instead of one for each Service, and then at intervals, to find
//! drift and orphans.

use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all, join3};
use tokio::time::sleep;

use super::Context;
use super::capabilities;
use super::cloud_handle::CloudHandle;
use super::node_choices;
use super::orphans::sweep::{Sweep, SweepSettings};
use crate::cloud::{ErrorKind, Listed};
use crate::election::Role;
use crate::plan::load_balancer::{LoadBalancer, State};
use crate::plan::naming::CloudName;
use crate::priority::Priority;

/// The longest time that Services wait for the first list of a cloud; after that, the
/// cloud is queried for each of them.
const FIRST_LIST: Duration = Duration::from_secs(3);

/// The intervals of the resync.
#[derive(Clone, Copy, Debug)]
pub struct ResyncSettings {
    /// The time between two lists of a cloud.
    pub sweep_interval: Duration,
    /// The time between two reconciles of every Service, to find drift.
    pub drift_interval: Duration,
    pub sweep: SweepSettings,
}

/// Waits until this replica leads, then lists each cloud and reconciles every
/// Service, at once and at intervals.
pub async fn run(context: Arc<Context>, settings: ResyncSettings) {
    let mut roles = context.roles.clone();
    let leads = |role: &Role| matches!(role, Role::Leader(_));
    if roles.wait_for(leads).await.is_err() {
        // The standby is about to stop; a component must not return before that.
        return std::future::pending().await;
    }
    node_choices::record_all(&context);
    context.enqueue_all_at_takeover();
    let lists = context.clouds.iter().map(|(name, cloud)| {
        let context = &context;
        async move {
            let sweep = Sweep::new(name, cloud, settings.sweep, context);
            let listing = async {
                // Services are planned once both are known, or FIRST_LIST is over.
                let ask = capabilities::ask(name, cloud, context);
                let (mut found, ()) = join(list(name, cloud, context), ask).await;
                context.queue.mark_listed(name);
                loop {
                    if let Some(found) = found {
                        sweep.run(&found).await;
                    }
                    sleep(spread(settings.sweep_interval)).await;
                    found = list(name, cloud, context).await;
                }
            };
            let waiting = async {
                sleep(FIRST_LIST).await;
                context.queue.mark_listed(name);
            };
            let asking = capabilities::follow(name, cloud, settings.sweep_interval, context);
            join3(listing, waiting, asking).await;
        }
    });
    let drift = async {
        loop {
            sleep(spread(settings.drift_interval)).await;
            context.forget_absent();
            context.enqueue_all(Priority::Background);
        }
    };
    let work = join(join_all::<_>(lists), drift);
    context.stopping.run_until_cancelled(work).await;
    std::future::pending().await
}

/// The interval, up to a tenth shorter or longer, so that replicas of several
/// clusters that were restarted together do not list a cloud at the same time.
pub(super) fn spread(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * fastrand::f64())
}

/// Lists a cloud; `None` if it does not support that or does not respond.
async fn list(name: &CloudName, cloud: &CloudHandle, context: &Context) -> Option<Listed> {
    let stamp = cloud.inventory.begin_load();
    let response = cloud.client.list(&context.cluster).await;
    match response {
        Ok(found) => {
            tracing::info!(cloud = %name, load_balancers = found.len(), without_spec = found.outlines.len(), "listed the load balancers of the cloud");
            count(name, &found, context);
            report_shared_account(name, &found, context);
            // Rejected only if a later list began, which counts instead.
            let _ = cloud.inventory.load(stamp, &found);
            Some(found)
        }
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            tracing::info!(cloud = %name, "the cloud does not support listing; load balancers are queried one by one");
            cloud.inventory.clear();
            context.metrics.inventory.has_no_list(name.as_str());
            None
        }
        Err(error) => {
            tracing::warn!(cloud = %name, %error, "failed to list the load balancers of the cloud; the next resync will retry");
            None
        }
    }
}

/// Reports a cloud whose list shows the load balancers that another cloud shows.
fn report_shared_account(name: &CloudName, found: &Listed, context: &Context) {
    for (other, cloud) in context.clouds.iter().filter(|(other, _)| *other != name) {
        let shows_it = |found: &&LoadBalancer| {
            let known = cloud.inventory.find(&found.name);
            known.is_some_and(|known| known.looks_like(found))
        };
        if let Some(shared) = found.iter().find(shows_it) {
            tracing::error!(cloud = %name, %other, id = %shared.id, "two clouds of the configuration show the same load balancer, so they lead to one account; remove one of them from the configuration");
        }
    }
}

fn count(name: &CloudName, found: &Listed, context: &Context) {
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
    fn replicas_that_were_restarted_together_list_apart() {
        let minute = Duration::from_secs(60);
        let waits: HashSet<_> = (0..10).map(|_| spread(minute)).collect();
        assert!(waits.len() > 1, "{waits:?}");
    }
}
