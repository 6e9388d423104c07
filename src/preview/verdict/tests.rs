use serde_json::json;

use super::*;
use crate::plan::load_balancer::{LoadBalancer, State};
use crate::plan::naming::{Owner, ServiceUid};
use crate::preview::scene::{Scene, Shows, load_balancer};

/// Each row: a reason, a change of a Service in sync, the verdict, a part of the sentence.
type Row = (&'static str, fn(&mut Scene), Verdict, &'static str);

const ROWS: &[Row] = &[
    (
        "as it should be",
        |_| {},
        Verdict::InSync,
        "Load balancer lb-1 on cloud1 is ready",
    ),
    (
        "an edit",
        |scene| scene.annotate("lb-bandwidth", "20M"),
        Verdict::Changes,
        "3 actions to perform",
    ),
    (
        "a value that is invalid",
        |scene| scene.annotate("lb-bandwidth", "fast"),
        Verdict::Invalid,
        "annotation mycloud.com/lb-bandwidth is \"fast\": it must be",
    ),
    (
        "a pause, whatever else is wrong",
        |scene| {
            scene.annotate("lb-bandwidth", "fast");
            scene.annotate("paused", "true");
        },
        Verdict::Paused,
        "Paused by annotation mycloud.com/paused",
    ),
    (
        "a deletion",
        |scene| {
            scene.service["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        },
        Verdict::Changes,
        "is being deleted: its load balancers are deleted first",
    ),
    (
        "a type that needs none",
        |scene| scene.service["spec"]["type"] = json!("ClusterIP"),
        Verdict::Changes,
        "not managed any more, so its load balancers are deleted: spec.type is not LoadBalancer",
    ),
    (
        "a cloud that does not answer",
        |scene| scene.cloud1 = Shows::Fails,
        Verdict::Waiting,
        "The query of cloud1 failed, so the state of the load balancer is unknown",
    ),
    (
        "a cloud that works",
        |scene| {
            scene.cloud1 = Shows::Found(Box::new(LoadBalancer {
                state: State::Provisioning,
                ..load_balancer()
            }));
        },
        Verdict::Waiting,
        "is being provisioned",
    ),
    (
        "a name that is taken",
        |scene| {
            let mut found = load_balancer();
            found.owner = found.owner.map(|owner| Owner {
                uid: ServiceUid::new("other"),
                ..owner
            });
            scene.cloud1 = Shows::Found(found.into());
        },
        Verdict::Waiting,
        "has the name that this Service needs but does not belong to it",
    ),
    (
        "no Node",
        |scene| scene.nodes.clear(),
        Verdict::Waiting,
        "No Node is eligible as a back end",
    ),
    (
        "a field that cannot be read",
        |scene| scene.service["spec"]["ports"] = json!("all"),
        Verdict::Unreadable,
        "spec.ports cannot be read",
    ),
];

#[tokio::test]
async fn every_verdict_has_its_reason_in_a_sentence() {
    for (reason, change, verdict, part) in ROWS {
        let mut scene = Scene::in_sync();
        change(&mut scene);
        let (found, message) = scene.preview().await.verdict();
        assert_eq!(found, *verdict, "{reason}: {message}");
        assert!(message.contains(part), "{reason}: {message}");
    }
}

/// Each row: the change of a Service that was never ours, and a part of the sentence.
type NotOursRow = (fn(&mut Scene), &'static str);
const NOT_OURS: &[NotOursRow] = &[
    (
        |scene| scene.service["metadata"]["annotations"] = json!({}),
        "annotation mycloud.com/enable is missing: set it to \"true\"",
    ),
    (
        |scene| scene.annotate("enable", "false"),
        "annotation mycloud.com/enable says no",
    ),
    (
        |scene| scene.annotate("enable", "ture"),
        "annotation mycloud.com/enable is \"ture\": it must be exactly 'true', or a plain no",
    ),
    (
        |scene| scene.service["spec"]["type"] = json!("ClusterIP"),
        "spec.type is not LoadBalancer",
    ),
    (
        |scene| scene.service["spec"]["loadBalancerClass"] = json!("other/class"),
        "spec.loadBalancerClass is \"other/class\": it belongs to the controller of that class",
    ),
    (
        |scene| {
            scene.service["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        },
        "is being deleted and does not have the finalizer",
    ),
];

#[tokio::test]
async fn a_service_that_is_not_managed_has_the_reason() {
    for (change, part) in NOT_OURS {
        let mut scene = Scene::fresh();
        // It must not be asked.
        scene.cloud1 = Shows::Hangs;
        change(&mut scene);
        let (found, message) = scene.preview().await.verdict();
        assert_eq!(found, Verdict::NotManaged, "{message}");
        assert!(message.contains(part), "{message}");
    }
}
