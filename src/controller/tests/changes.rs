//! What an attempt leaves pending, by kind: what the Service, the memory of the leader and
//! the answers of the cloud say together.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::api_server::{ApiServer, merge};
use super::cloud::Scripted;
use super::leader::{leader, leader_in_sync, load_balancer, reconcile, service};
use crate::cloud::{ErrorKind, Rejection};
use crate::controller::Context;
use crate::kubernetes::condition::find;
use crate::kubernetes::service_object::Service;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::CloudName;
use crate::telemetry::{Change, MetricsFormat};

const DENIED: ErrorKind = ErrorKind::Rejected(Rejection::PermissionDenied);
const DOWN: ErrorKind = ErrorKind::Unavailable { retry_after: None };
/// Longer than every backoff.
const LATER: Duration = Duration::from_secs(600);
const HOUR: Duration = Duration::from_secs(3600);

/// A Service whose load balancer on cloud1 serves, with our condition.
fn served(status: &str, reason: &str, changes: Value) -> Service {
    let mut all = json!({
        "metadata": {"annotations": {"mycloud.com/lb-id": "lb-1", "mycloud.com/lb-cloud": "cloud1"}},
        "status": {
            "loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]},
            "conditions": [condition(status, reason)],
        },
    });
    merge(&mut all, changes);
    service(all)
}

fn ready() -> Service {
    served("True", "Ready", json!({}))
}

/// The condition of a Service for an hour.
fn condition(status: &str, reason: &str) -> Value {
    json!({
        "type": "mycloud.com/LoadBalancerReady", "status": status, "reason": reason, "message": "",
        "lastTransitionTime": an_hour_ago(),
    })
}

fn an_hour_ago() -> String {
    let then = k8s_openapi::jiff::Timestamp::now() - HOUR;
    then.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn edited() -> Value {
    json!({"spec": {"ports": [{"port": 81, "nodePort": 30081}]}})
}

fn cloud(of: &Service, changes: Scripted) -> Arc<Scripted> {
    let found = load_balancer(of, "lb-1");
    Arc::new(Scripted {
        by_id: Some(found.clone()),
        by_name: Some(found),
        ..changes
    })
}

/// The pending changes of cloud1, cloud2 and all other clouds.
fn pending(context: &Context) -> Vec<(usize, Change)> {
    let clouds = ["cloud1", "cloud2"].map(CloudName::new);
    let summary = context.memory.changes.summarize(&clouds);
    let mut pending = Vec::new();
    for (index, changes) in summary.iter().enumerate() {
        let is_pending = |change: &Change| changes.of(*change).pending > 0;
        let found = Change::ALL.into_iter().filter(is_pending);
        pending.extend(found.map(|change| (index, change)));
    }
    pending
}

fn oldest(context: &Context, change: Change) -> Duration {
    let clouds = [CloudName::new("cloud1")];
    context.memory.changes.summarize(&clouds)[0]
        .of(change)
        .oldest
}

async fn attempt(service: &Service, server: &ApiServer, cloud: &Arc<Scripted>) -> Arc<Context> {
    let context = leader(server, [cloud, cloud], []);
    reconcile(service.clone(), context.clone()).await;
    context
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_is_down_says_nothing_of_what_nobody_edited() {
    let was = ready();
    let server = ApiServer::with(Some(&was));
    let down = cloud(
        &was,
        Scripted {
            hides: Some(DOWN),
            ..Scripted::default()
        },
    );
    let context = attempt(&was, &server, &down).await;
    assert_eq!(pending(&context), []);
    // The condition is False now.
    tokio::time::advance(LATER).await;
    reconcile(server.live(), context.clone()).await;
    assert_eq!(pending(&context), []);
    // But an edit that waits for the cloud is known.
    let mut edit = json!(server.live());
    merge(&mut edit, edited());
    let edit: Service = serde_json::from_value(edit).expect("a Service");
    reconcile(edit, context.clone()).await;
    assert_eq!(pending(&context), [(0, Change::Edit)]);
}

#[tokio::test(start_paused = true)]
async fn the_kind_follows_from_what_the_leader_has_seen() {
    let was = ready();
    let cases = [
        (
            served("True", "Ready", edited()),
            true,
            Change::Edit,
            "edited after it was in sync",
        ),
        (
            was.clone(),
            true,
            Change::Repair,
            "changed at the cloud after it was in sync",
        ),
        (
            was.clone(),
            false,
            Change::Repair,
            "ready under the leader before",
        ),
        (
            served("False", "SyncFailed", json!({})),
            false,
            Change::Edit,
            "not ready under the leader before",
        ),
    ];
    for (now, has_seen, expected, why) in cases {
        let server = ApiServer::with(Some(&now));
        let denied = cloud(
            // At the cloud it is as neither of them.
            &served(
                "True",
                "Ready",
                json!({"spec": {"ports": [{"port": 82, "nodePort": 30082}]}}),
            ),
            Scripted {
                refuses: Some(DENIED),
                ..Scripted::default()
            },
        );
        let context = if has_seen {
            leader_in_sync(&server, &denied, &was)
        } else {
            leader(&server, [&denied, &denied], [])
        };
        reconcile(now, context.clone()).await;
        assert_eq!(pending(&context), [(0, expected)], "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_takes_the_age_from_the_condition() {
    let cases = [
        (
            "False",
            "SyncFailed",
            HOUR,
            Change::Edit,
            "it has failed for an hour",
        ),
        (
            "True",
            "Ready",
            Duration::ZERO,
            Change::Repair,
            "it was ready for an hour",
        ),
        (
            "False",
            "InvalidConfiguration",
            Duration::ZERO,
            Change::Edit,
            "it was invalid for an hour, which its owner has just corrected",
        ),
        (
            "False",
            "Paused",
            Duration::ZERO,
            Change::Edit,
            "it was paused for an hour, which its owner has just ended",
        ),
    ];
    for (status, reason, age, change, why) in cases {
        let now = served(status, reason, edited());
        let server = ApiServer::with(Some(&now));
        let denied = cloud(
            &ready(),
            Scripted {
                refuses: Some(DENIED),
                ..Scripted::default()
            },
        );
        let context = attempt(&now, &server, &denied).await;
        assert_eq!(pending(&context), [(0, change)], "{why}");
        let oldest = oldest(&context, change);
        let most = age + Duration::from_secs(60);
        assert!((age..most).contains(&oldest), "{why}: {oldest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_in_which_a_service_is_invalid_or_paused_is_its_owners() {
    let cases = [
        ("InvalidConfiguration", Duration::ZERO),
        ("Paused", Duration::ZERO),
        ("SyncFailed", HOUR),
    ];
    for (reason, age) in cases {
        let now = service(json!({
            "metadata": {"creationTimestamp": an_hour_ago()},
            "status": {"conditions": [condition("False", reason)]},
        }));
        let server = ApiServer::with(Some(&now));
        let denied = Arc::new(Scripted {
            refuses: Some(DENIED),
            ..Scripted::default()
        });
        let context = attempt(&now, &server, &denied).await;
        assert_eq!(pending(&context), [(0, Change::Create)], "{reason}");
        let oldest = oldest(&context, Change::Create);
        let most = age + Duration::from_secs(60);
        assert!((age..most).contains(&oldest), "{reason}: {oldest:?}");
    }
}

/// Nobody edited the health of its load balancer: what the owner has to correct is something
/// else.
#[tokio::test(start_paused = true)]
async fn the_upkeep_that_an_invalid_service_lacks_is_a_repair() {
    let typo = json!({"metadata": {"annotations": {"mycloud.com/lb-bandwidth": "fast"}}});
    let now = served("False", "InvalidConfiguration", typo);
    let other_node_port = json!({"spec": {"ports": [{"port": 80, "nodePort": 30081}]}});
    let was = served("True", "Ready", other_node_port.clone());
    let unknown = LoadBalancer {
        is_understood: false,
        ..load_balancer(&was, "lb-1")
    };
    let refusing = |kind| Scripted {
        refuses: Some(kind),
        ..Scripted::default()
    };
    let invalid = ErrorKind::Rejected(Rejection::InvalidArgument);
    let rows = [
        (cloud(&was, refusing(DENIED)), true, "it may not be updated"),
        (
            cloud(&was, refusing(invalid)),
            true,
            "the cloud takes no update",
        ),
        (cloud(&was, Scripted::default()), false, "it is updated"),
        (cloud(&ready(), refusing(DENIED)), false, "it needs none"),
        (
            Arc::new(Scripted {
                by_name: Some(unknown),
                ..Scripted::default()
            }),
            true,
            "an update would lose values",
        ),
        (
            cloud(
                &was,
                Scripted {
                    hides: Some(DOWN),
                    ..Scripted::default()
                },
            ),
            false,
            "nothing is known",
        ),
    ];
    for (cloud, is_missing, why) in rows {
        let server = ApiServer::with(Some(&now));
        let context = attempt(&now, &server, &cloud).await;
        let expected: &[_] = if is_missing {
            &[(0, Change::Repair)]
        } else {
            &[]
        };
        assert_eq!(pending(&context), expected, "{why}");
        // While the cloud rests, and after it.
        for pause in [Duration::ZERO, LATER] {
            tokio::time::advance(pause).await;
            reconcile(server.live(), context.clone()).await;
            assert_eq!(pending(&context), expected, "{why}, after {pause:?}");
        }
        let mut mended = json!(server.live());
        merge(&mut mended, other_node_port.clone());
        let mended: Service = serde_json::from_value(mended).expect("a Service");
        if is_missing {
            assert!(oldest(&context, Change::Repair) >= LATER, "{why}");
            reconcile(mended, context.clone()).await;
            assert_eq!(pending(&context), [], "{why}: it needs no update any more");
        }
    }
}

/// The load balancer is left with dead Nodes, and only a person can end that.
#[tokio::test(start_paused = true)]
async fn the_condition_says_what_else_an_invalid_service_lacks() {
    let typo = json!({"metadata": {"annotations": {"mycloud.com/lb-bandwidth": "fast"}}});
    let now = served("True", "Ready", typo);
    let was = served(
        "True",
        "Ready",
        json!({"spec": {"ports": [{"port": 80, "nodePort": 30081}]}}),
    );
    let unknown = LoadBalancer {
        is_understood: false,
        ..load_balancer(&was, "lb-1")
    };
    let cloud = Arc::new(Scripted {
        by_name: Some(unknown),
        ..Scripted::default()
    });
    let server = ApiServer::with(Some(&now));
    let context = attempt(&now, &server, &cloud).await;
    assert_eq!(cloud.mutations(), Vec::<String>::new());
    let live = server.live();
    let found = find(&live, context.metadata_keys.condition()).expect("a condition");
    assert_eq!(found.reason, "InvalidConfiguration");
    for part in [
        "lb-bandwidth is",
        "; The load balancer on cloud1 does not follow the Nodes",
    ] {
        assert!(found.message.contains(part), "{}", found.message);
    }
}

/// A user can write any name into the record.
#[tokio::test(start_paused = true)]
async fn a_forged_cloud_is_no_label() {
    let forged = json!({"metadata": {"annotations":
        {"mycloud.com/lb-id": "lb-1,lb-2", "mycloud.com/lb-cloud": "cloud1,forged"}}});
    let forged = served("True", "Ready", forged);
    let server = ApiServer::with(Some(&forged));
    let cloud = cloud(&ready(), Scripted::default());
    let context = attempt(&forged, &server, &cloud).await;
    assert_eq!(pending(&context), [(2, Change::Delete)]);
    reconcile(ready(), context.clone()).await;
    assert_eq!(pending(&context), []);
    let text = context.metrics.gather(MetricsFormat::Text);
    assert!(!String::from_utf8_lossy(&text).contains("forged"));
}
