use std::time::Duration;

use serde_json::json;

use crate::plan::ip_mode::IpMode;
use crate::preview::scene::{Scene, Shows, load_balancer};
use crate::preview::{ReplicaState, Report};

#[tokio::test]
async fn the_text_of_an_edit_is_short_and_complete() {
    let mut scene = Scene::in_sync();
    scene.annotate("lb-bandwidth", "20M");
    scene.annotate("bandwith", "1M");
    let expected = "\
Service default/web: there is something to do
  3 actions to perform
Desired, on cloud1
  algorithm: round-robin
  bandwidth: 20M
  clientAffinitySeconds: none
  listeners: nodePort=30080 port=80 protocol=TCP
  nodes: 10.0.0.1
  sourceRanges: none
  spec: standard
Observed
  Service: finalizer yes; record: lb-1 on cloud1; addresses: 192.0.2.1
  Nodes: 1 eligible, 0 excluded; back ends: 1
  cloud1: load balancer lb-1, active; addresses: 192.0.2.1; back ends: 1
Differences
  lb-1 on cloud1: bandwidth: 5M -> 20M
Actions, in this order
  1. confirm that the Service is unchanged
  2. update load balancer lb-1 on cloud1 (back ends: 1)
  3. update record and status
Notes
  - Annotation mycloud.com/bandwith is unknown and ignored; the most similar known annotation is mycloud.com/lb-bandwidth
";
    assert_eq!(scene.report().await.text(), expected);
}

#[tokio::test]
async fn the_text_shows_all_addresses_and_their_modes() {
    let mut scene = Scene::in_sync();
    let mut found = load_balancer();
    let ip = found.addresses.ips[0];
    found.addresses.modes = [(ip, IpMode::Proxy)].into_iter().collect();
    found.addresses.hostnames = vec!["a.example".into(), "b.example".into()];
    scene.cloud1 = Shows::Found(found.into());
    let both = |mode| json!([{"ip": ip, "ipMode": mode}, {"hostname": "a.example"}, {"hostname": "b.example"}]);
    scene.service["status"]["loadBalancer"]["ingress"] = both(json!("VIP"));
    let text = scene.report().await.text();
    let shown = "active; addresses: 192.0.2.1 (ipMode Proxy), a.example, b.example; back ends";
    assert!(text.contains(shown), "{text}");
    let difference = "addresses: added 192.0.2.1 (ipMode Proxy); removed 192.0.2.1\n";
    assert!(text.contains(difference), "{text}");
    // As published, and as an API server shows it that has no such field.
    for mode in [json!("Proxy"), json!(null)] {
        scene.service["status"]["loadBalancer"]["ingress"] = both(mode);
        let text = scene.report().await.text();
        assert!(
            text.starts_with("Service default/web: nothing to do: it is in sync\n"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn the_text_names_waits_losses_and_what_is_not_known() {
    let mut scene = Scene::in_sync();
    scene.annotate("provider", "cloud2");
    let text = scene.report().await.text();
    for part in [
        "Would be lost\n  - load balancer lb-1 on cloud1 would be deleted\n  - address 192.0.2.1 would leave the Service\n",
        "cloud2: no load balancer of this Service\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    scene.cloud1 = Shows::Fails;
    let text = scene.report().await.text();
    for part in [
        "cloud1: not known: ",
        "Waits\n  - The query of cloud1 failed",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn many_back_ends_are_counted_and_a_cloud_cannot_forge_lines() {
    let mut scene = Scene::in_sync();
    let mut found = load_balancer();
    found.spec.nodes = (1..=250).map(|last| [10, 1, 0, last].into()).collect();
    found.spec.spec = "large\nService default/other".into();
    found.addresses.hostnames = vec!["a\nService default/b".into()];
    scene.service["status"]["loadBalancer"]["ingress"] = json!([{"hostname": "c\nd"}]);
    let condition = json!({"type": "mycloud.com/LoadBalancerReady", "reason": "e\nf", "status": "g\nh", "message": "i\nj"});
    scene.service["status"]["conditions"] = json!([condition]);
    scene.cloud1 = Shows::Found(found.into());
    let text = scene.report().await.text();
    assert!(text.contains("removed 10.1.0.1, "), "{text}");
    let starts = |line: &str| ["Service default/b", "d", "f", "h", "j"].contains(&line.trim());
    assert!(!text.lines().any(starts), "{text}");
    assert!(text.contains("condition: e\\nf (g\\nh): i\\nj\n"), "{text}");
    assert!(text.contains(" and 240 more\n"), "{text}");
    assert!(
        text.contains("spec: large\\nService default/other -> standard\n"),
        "{text}"
    );
}

#[tokio::test]
async fn a_replica_says_whether_it_leads() {
    let report = |leads, next_attempt| async move {
        let replica = Some(ReplicaState {
            leads,
            next_attempt,
        });
        Report {
            replica,
            ..Scene::in_sync().report().await
        }
        .text()
    };
    let delay = Some(Duration::from_millis(4_200));
    let text = report(true, delay).await;
    assert!(
        text.starts_with(
            "This replica leads; its next attempt, unless something changes, is in 4.2s.\n"
        ),
        "{text}"
    );
    let text = report(false, None).await;
    assert!(text.starts_with("This replica is a standby"), "{text}");
}

#[tokio::test]
async fn the_table_has_losses_first_and_a_line_for_each_service_that_is_not_in_sync() {
    let mut report = Scene::in_sync().report().await;
    let mut moved = Scene::in_sync();
    moved.annotate("provider", "cloud2");
    let mut edited = Scene::in_sync();
    edited.annotate("lb-bandwidth", "20M");
    let mut invalid = Scene::fresh();
    invalid.annotate("lb-bandwidth", "fast");
    let mut ours = Scene::fresh();
    ours.service["metadata"]["annotations"] = json!({});
    for scene in [moved, edited, invalid, ours, Scene::fresh()] {
        report.previews.push(scene.preview().await);
    }
    let text = report.table();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "LOSS  default/web: load balancer lb-1 on cloud1 would be deleted"
    );
    assert_eq!(
        lines[1],
        "LOSS  default/web: address 192.0.2.1 would leave the Service"
    );
    assert!(
        lines[2].starts_with("default/web: create load balancer default-web-"),
        "{text}"
    );
    assert_eq!(
        lines[3],
        "default/web: update load balancer lb-1 on cloud1 (back ends: 1) (bandwidth: 5M -> 20M)"
    );
    assert!(
        lines[4].starts_with("default/web: annotation mycloud.com/lb-bandwidth is"),
        "{text}"
    );
    let last = "6 Services: 3 would be changed (1 would lose something), 1 in sync, 0 waiting, 1 invalid, 0 paused, 0 unreadable, 1 not managed";
    assert_eq!(lines.last(), Some(&last));
    assert_eq!(report.losses().len(), 1);
}
