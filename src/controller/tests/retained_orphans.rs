//! Load balancers that are to be retained and whose Service has lost our finalizer.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use super::api_server::ApiServer;
use super::cloud::Scripted;
use super::leader::{leader, load_balancer, replica, service};
use crate::controller::context::uid;
use crate::controller::orphans::OrphanPolicy;
use crate::controller::orphans::finalizer_race::{self, FinalizerRaces, LostServices};
use crate::controller::orphans::sweep::{Sweep, SweepSettings};
use crate::controller::{Context, observe_event};
use crate::election::Role;
use crate::kubernetes::service_object::Service;
use crate::plan::capabilities::Feature;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::CloudName;
use crate::plan::orphan::StatedPolicy;

fn with_policy(policy: &str, mut changes: Value) -> Service {
    changes["metadata"]["annotations"]["mycloud.com/deletion-policy"] = json!(policy);
    service(changes)
}

/// lb-1 of the Service.
fn made() -> LoadBalancer {
    load_balancer(&service(json!({})), "lb-1")
}

fn cloud(keeps_owners: bool) -> Arc<Scripted> {
    Arc::new(Scripted {
        by_name: Some(made()),
        by_id: Some(made()),
        keeps_owners,
        ..Scripted::default()
    })
}

/// Shows the end of a Service, and returns the Services that lost the race.
fn show_end(of: Service, context: &Context) -> LostServices {
    let (races, lost) = FinalizerRaces::new();
    let event = kube::runtime::watcher::Event::Delete(of);
    observe_event(&event, context, &races, &watch::channel(true).0);
    lost
}

fn learn_release(context: &Context) {
    context.capabilities.send_modify(|known| {
        for can in Arc::make_mut(known).clouds.values_mut() {
            can.features.insert(Feature::Release);
        }
    });
}

async fn sweep(context: &Context, times: usize) {
    let settings = SweepSettings {
        policy: OrphanPolicy::Delete,
        grace: Duration::ZERO,
    };
    let name = CloudName::new("cloud1");
    let sweep = Sweep::new(&name, &context.clouds[&name], settings, context);
    for _ in 0..times {
        sweep.run(&vec![made()].into()).await;
    }
}

/// Handles the Services that lost the race, until nothing is left to do.
async fn race(context: &Arc<Context>, lost: LostServices) {
    let handled = finalizer_race::run(context.clone(), lost);
    let handled = timeout(Duration::from_secs(1), handled).await;
    assert!(handled.is_err(), "a component does not end");
}

#[tokio::test(start_paused = true)]
async fn the_sweep_follows_the_last_policy_of_a_service() {
    let cases = [
        ("delete", true, &["delete lb-1"][..]),
        ("retain", true, &["release lb-1"]),
        ("retain", false, &[]),
        ("reatin", true, &[]),
    ];
    for (policy, can_release, expected) in cases {
        let replaced = json!({"metadata": {
            "finalizers": null, "annotations": {"mycloud.com/enable": null}}});
        let replaced = with_policy(policy, replaced);
        for is_gone in [false, true] {
            let cloud = cloud(false);
            let (live, shown) = match is_gone {
                false => (Some(&replaced), vec![replaced.clone()]),
                true => (None, vec![]),
            };
            let server = live.map_or_else(ApiServer::default, |live| ApiServer::with(Some(live)));
            let context = leader(&server, [&cloud, &cloud], shown);
            if is_gone {
                drop(show_end(replaced.clone(), &context));
            }
            if can_release {
                learn_release(&context);
            }
            sweep(&context, 1).await;
            assert_eq!(cloud.mutations(), expected, "{policy}, gone: {is_gone}");
        }
    }
}

/// The watch may show less than there is, and the other way round.
#[tokio::test(start_paused = true)]
async fn nothing_is_done_while_two_looks_differ() {
    let without = json!({"metadata": {
        "finalizers": null, "annotations": {"mycloud.com/enable": null}}});
    let shown = with_policy("delete", without.clone());
    let live = with_policy("retain", without);
    for (shown, live) in [(&shown, &live), (&live, &shown)] {
        let cloud = cloud(false);
        let context = leader(
            &ApiServer::with(Some(live)),
            [&cloud, &cloud],
            [shown.clone()],
        );
        learn_release(&context);
        sweep(&context, 1).await;
        assert_eq!(cloud.mutations(), [] as [&str; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_only_says_that_the_owner_is_off_is_asked_again() {
    let cloud = cloud(true);
    let context = leader(&ApiServer::default(), [&cloud, &Arc::default()], []);
    learn_release(&context);
    let lost = show_end(with_policy("retain", json!({})), &context);
    race(&context, lost).await;
    assert_eq!(cloud.mutations(), ["release lb-1"]);
    sweep(&context, 2).await;
    assert_eq!(cloud.mutations(), ["release lb-1"; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_waits_for_a_cloud_that_may_be_able_to_release_it() {
    let cloud = cloud(false);
    let context = leader(&ApiServer::default(), [&cloud, &Arc::default()], []);
    let lost = show_end(with_policy("retain", json!({})), &context);
    race(&context, lost).await;
    sweep(&context, 3).await;
    assert_eq!(cloud.mutations(), [] as [&str; 0]);
    learn_release(&context);
    sweep(&context, 1).await;
    assert_eq!(cloud.mutations(), ["release lb-1"]);
}

/// It may be the next leader.
#[tokio::test]
async fn a_standby_remembers_the_policy_too() {
    let cloud = cloud(false);
    let (_, roles) = watch::channel(Role::Standby);
    let context = replica(roles, &ApiServer::default(), [&cloud, &cloud], []);
    let gone = with_policy("retain", json!({}));
    let owner = uid(&gone).expect("a UID");
    drop(show_end(gone, &context));
    let policy = context.memory.last_policies.get(&owner);
    assert_eq!(policy, StatedPolicy::Retain);
}

/// A list that went back in time lacked it once, and it lived on.
#[tokio::test]
async fn a_service_that_lived_on_without_a_policy_has_none_at_its_end() {
    let cloud = cloud(false);
    let context = leader(&ApiServer::default(), [&cloud, &cloud], []);
    let gone = with_policy("retain", json!({}));
    let owner = uid(&gone).expect("a UID");
    for (said, expected) in [
        (gone, StatedPolicy::Retain),
        (service(json!({})), StatedPolicy::Delete),
    ] {
        drop(show_end(said, &context));
        let policy = context.memory.last_policies.get(&owner);
        assert_eq!(policy, expected);
    }
}
