use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::controller::observe::observe_service;
use crate::controller::tests::api_server::ApiServer;
use crate::controller::tests::leader::{leader, load_balancer, service};
use crate::kubernetes::node_watch::NodeSet;
use crate::plan::CreateRequest;
use crate::plan::naming::LoadBalancerId;

/// How a Service is looked at: what a user edited, and which Nodes there are.
fn seen(port: u16, nodes: u64, condition: Option<&str>) -> ObservedService {
    let mut changes = json!({"spec": {"ports": [{"port": port, "nodePort": 30080}]}});
    if let Some(reason) = condition {
        let status = if reason == "Ready" { "True" } else { "False" };
        changes["status"]["conditions"] = json!([{
            "type": "mycloud.com/LoadBalancerReady", "status": status, "reason": reason,
            "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]);
    }
    let cloud = Arc::default();
    let context = leader(&ApiServer::default(), [&cloud, &cloud], []);
    let Ok(mut seen) = observe_service(Arc::new(service(changes)), &context) else {
        panic!("ours");
    };
    let version = NodeSet {
        version: nodes,
        ..NodeSet::default()
    };
    seen.nodes = Some(version);
    seen
}

fn request() -> CreateRequest {
    let spec = load_balancer(&service(json!({})), "lb-1");
    CreateRequest {
        name: spec.name,
        owner: spec.owner.expect("an owner"),
        spec: spec.spec,
    }
}

fn create(cloud: &str) -> Action {
    Action::Create {
        cloud: CloudName::new(cloud),
        request: request(),
    }
}

fn update(cloud: &str, urgency: Urgency) -> Action {
    Action::Update {
        cloud: CloudName::new(cloud),
        id: LoadBalancerId::new("lb-1"),
        request: request(),
        urgency,
    }
}

fn plan<const N: usize>(actions: [Action; N]) -> Plan {
    Plan {
        actions: actions.into(),
        waiting: BTreeSet::new(),
    }
}

/// Uses up what a cloud's pace gives at once.
fn use_up(drift: &Drift, cloud: &str) {
    let mut state = drift.lock();
    for number in 0..BURST {
        state.turn(&ServiceUid::new(number.to_string()), &CloudName::new(cloud));
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asked_for_is_a_repair_and_nothing_else_is() {
    let is = |cause, waits| Some((cause, waits));
    let (drift, unknown) = (Cause::Drift, Cause::Unknown);
    let (user, nodes) = (Urgency::User, Urgency::Background);
    let granted = || Some(seen(80, 1, Some("Ready")));
    let never = || None;
    let cases = [
        (
            granted(),
            seen(80, 1, Some("Ready")),
            create("cloud1"),
            is(drift, true),
            "it is gone",
        ),
        (
            granted(),
            seen(80, 1, None),
            create("cloud1"),
            is(drift, true),
            "its condition says so by now",
        ),
        (
            granted(),
            seen(80, 2, None),
            create("cloud1"),
            is(drift, true),
            "and a Node came",
        ),
        (
            granted(),
            seen(80, 1, None),
            update("cloud1", user),
            is(drift, true),
            "it was edited",
        ),
        (
            granted(),
            seen(80, 1, None),
            update("cloud1", nodes),
            is(drift, true),
            "it lost back ends",
        ),
        (
            granted(),
            seen(80, 2, None),
            update("cloud1", nodes),
            None,
            "a Node came or went",
        ),
        (
            granted(),
            seen(80, 2, None),
            update("cloud1", user),
            is(drift, false),
            "it was edited, and a Node that went must not stay",
        ),
        (
            granted(),
            seen(81, 1, None),
            create("cloud1"),
            None,
            "a user edited the Service meanwhile",
        ),
        (
            granted(),
            seen(81, 1, None),
            update("cloud1", user),
            None,
            "a user edited the Service",
        ),
        (
            never(),
            seen(80, 1, None),
            create("cloud1"),
            None,
            "it is new",
        ),
        (
            never(),
            seen(80, 1, Some("Provisioning")),
            create("cloud1"),
            None,
            "it never had one",
        ),
        (
            never(),
            seen(80, 1, Some("Ready")),
            create("cloud1"),
            is(unknown, true),
            "it was ready before we led",
        ),
        (
            never(),
            seen(80, 1, Some("Drifted")),
            create("cloud1"),
            is(unknown, true),
            "it waited for its turn before we led",
        ),
        (
            never(),
            seen(80, 1, Some("Ready")),
            update("cloud1", user),
            is(unknown, true),
            "it was ready before we led",
        ),
        (
            never(),
            seen(80, 1, Some("Ready")),
            update("cloud1", nodes),
            None,
            "a Node came or went",
        ),
    ];
    for (granted, now, action, expected, why) in cases {
        let drift = Drift::default();
        if let Some(granted) = granted {
            drift.settle(&granted);
        }
        use_up(&drift, "cloud1");
        let repairs = drift.judge(&plan([action]), &now);
        let repair = repairs.get(&CloudName::new("cloud1"));
        let is = repair.map(|repair| (repair.cause, repair.wait.is_some()));
        assert_eq!(is, expected, "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_user_took_back_was_still_asked_for() {
    let drift = Drift::default();
    drift.settle(&seen(80, 1, Some("Ready")));
    let edited = plan([update("cloud1", Urgency::User)]);
    assert!(drift.judge(&edited, &seen(81, 1, None)).is_empty());
    let back = seen(80, 1, None);
    assert!(
        drift.judge(&edited, &back).is_empty(),
        "we did that ourselves"
    );
    drift.settle(&back);
    assert_eq!(drift.judge(&edited, &back).len(), 1, "and this we did not");
}

#[tokio::test(start_paused = true)]
async fn an_edit_waits_for_no_turn() {
    for first in [Some("Ready"), None] {
        let drift = Drift::default();
        if first.is_none() {
            drift.settle(&seen(80, 1, first));
        }
        use_up(&drift, "cloud1");
        let gone = plan([create("cloud1")]);
        assert_eq!(drift.judge(&gone, &seen(80, 1, first)).len(), 1);
        assert!(drift.waits(&ServiceUid::new("uid")));
        assert!(drift.judge(&gone, &seen(81, 1, None)).is_empty());
        assert!(!drift.waits(&ServiceUid::new("uid")));
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_cloud_that_drifted_waits() {
    let drift = Drift::default();
    drift.settle(&seen(80, 1, Some("Ready")));
    use_up(&drift, "cloud1");
    let whole = plan([
        Action::AddFinalizer,
        Action::ConfirmLive,
        create("cloud1"),
        update("cloud2", Urgency::Background),
    ]);
    let repairs = drift.judge(&whole, &seen(80, 2, None));
    let (rest, postponed) = postpone(whole, &repairs);
    let expected = [
        Action::AddFinalizer,
        Action::ConfirmLive,
        update("cloud2", Urgency::Background),
    ];
    assert_eq!(rest.actions, expected);
    assert!(matches!(
        &postponed[..],
        [Failure::NotItsTurn { cloud, .. }] if cloud.as_str() == "cloud1"
    ));

    let gone = plan([Action::ConfirmLive, create("cloud1")]);
    let repairs = drift.judge(&gone, &seen(80, 1, None));
    assert!(
        postpone(gone, &repairs).0.actions.is_empty(),
        "nobody need be asked"
    );
}

#[tokio::test(start_paused = true)]
async fn a_few_are_repaired_at_once_and_the_others_one_by_one() {
    let drift = Drift::default();
    let wait = |uid: u32, cloud: &str| {
        let (uid, cloud) = (ServiceUid::new(uid.to_string()), CloudName::new(cloud));
        drift.lock().turn(&uid, &cloud).1.unwrap_or_default()
    };
    let turns = |wait: Duration| wait.as_millis() / SPACING.as_millis();
    let waits: Vec<u128> = (0..BURST + 3)
        .map(|uid| turns(wait(uid, "cloud1")))
        .collect();
    assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
    assert!(wait(99, "cloud2").is_zero(), "another cloud's pace");
    assert!(wait(BURST, "cloud2").is_zero(), "and another turn there");

    tokio::time::advance(SPACING).await;
    assert!(wait(BURST, "cloud1").is_zero(), "its turn");
    assert!(wait(BURST, "cloud1").is_zero(), "and again, should it fail");
    assert_eq!(wait(BURST + 1, "cloud1"), SPACING, "its turn is kept");
    assert_eq!(wait(98, "cloud1"), 3 * SPACING, "the last in the row");

    tokio::time::advance(60 * SPACING).await;
    let waits = (100..100 + BURST).map(|uid| wait(uid, "cloud1"));
    assert_eq!(
        waits.sum::<Duration>(),
        Duration::ZERO,
        "after a quiet time"
    );
    assert_eq!(wait(200, "cloud1"), SPACING);
}
