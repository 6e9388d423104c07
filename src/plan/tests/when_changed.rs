//! What a change of an annotation does is what its declaration says.

use super::asked::{asked, asking};
use super::*;
use crate::plan::annotation::{ALL, LB_CLOUD, LB_ID, WhenChanged};
use crate::plan::existing::Offer;
use crate::plan::node_choice::chosen;

/// Each annotation with the value of before and another one.
const CHANGES: [(&str, Option<&str>, Option<&str>); ALL.len()] = [
    ("enable", Some("true"), Some("false")),
    ("provider", Some("cloud1"), Some("cloud2")),
    ("existing-lb", None, Some("lb-9")),
    ("paused", None, Some("true")),
    ("deletion-policy", None, Some("retain")),
    ("lb-spec", None, Some("large")),
    ("lb-bandwidth", Some("10M"), Some("20M")),
    ("algorithm", None, Some("source-hash")),
    ("internal", Some("true"), Some("false")),
    ("address", None, Some("192.0.2.9")),
    ("proxy-protocol", Some("v1"), Some("v2")),
    ("idle-timeout", Some("60s"), None),
    ("tags", None, Some("team=web")),
    ("health-check-protocol", Some("http"), Some("tcp")),
    ("health-check-port", None, Some("8080")),
    ("health-check-path", None, Some("/up")),
    ("health-check-interval", None, Some("10s")),
    ("health-check-timeout", None, Some("4s")),
    ("health-check-healthy-threshold", None, Some("5")),
    ("health-check-unhealthy-threshold", None, Some("5")),
    (
        "service.beta.kubernetes.io/load-balancer-source-ranges",
        None,
        Some("192.0.2.0/24"),
    ),
    ("node-selector", None, Some("pool=edge")),
    ("node-address-type", None, Some("external")),
    ("lb-id", Some("lb-1"), Some("lb-7")),
    ("lb-cloud", Some("cloud1"), Some("cloud2")),
];

/// The Service with this value, as it is once its load balancer was made.
fn with(name: &str, value: Option<&str>) -> ServiceView {
    let mut service = asking("cloud1", &[("health-check-protocol", "http")]);
    service.annotations.remove(name);
    let value = value.map(|value| (name.to_owned(), value.to_owned()));
    service.annotations.extend(value);
    let recorded = |name: &str, standard| {
        let found = service.annotations.get(name).map(String::as_str);
        found.or(Some(standard))
    };
    let record = Record::parse(
        recorded(LB_ID.name, "lb-1"),
        recorded(LB_CLOUD.name, "cloud1"),
    );
    let offer = Offer {
        cloud: CloudName::new("cloud1"),
        id: LoadBalancerId::new("lb-9"),
    };
    ServiceView {
        record,
        published: vec![Ingress::Ip("192.0.2.1".parse().expect("address"))],
        offers: [offer].into(),
        ..service
    }
}

/// The plan after the change of a Service that was in sync.
fn replanned(before: &ServiceView, now: &ServiceView) -> Plan {
    let all = nodes(&["10.0.0.1", "10.0.0.2"]);
    let found = LoadBalancer {
        spec: LoadBalancerSpec {
            nodes: all.addresses.clone(),
            ..asked(before).expect("valid")
        },
        ..load_balancer(&service("cloud1"), &all)
    };
    let same_nodes = chosen(before) == chosen(now);
    let backends = if same_nodes {
        all
    } else {
        nodes(&["10.0.0.2"])
    };
    let mut observed = Observed::of_service(now, backends);
    observed.clouds = BTreeMap::from([
        (CloudName::new("cloud1"), CloudView::Present(found.into())),
        (CloudName::new("cloud2"), CloudView::Absent),
    ]);
    let able = ["cloud1", "cloud2"].map(|name| (CloudName::new(name), Capabilities::unlimited()));
    plan(&desired(now, &cluster(), &able.into()), &observed)
}

fn effect(plan: &Plan) -> WhenChanged {
    let kinds = kinds(plan);
    let does = |name: &str| kinds.iter().any(|kind| kind == name);
    let waits = |is_it: fn(&Waiting) -> bool| plan.waiting.iter().any(is_it);
    let is_refused = waits(|waiting| matches!(waiting, Waiting::Invalid(_) | Waiting::Refused(..)));
    let is_paused = waits(|waiting| *waiting == Waiting::Paused);
    match (does("Create"), does("Delete"), does("Update")) {
        (true, true, false) if does("AwaitServing") => WhenChanged::Moves,
        (false, true, false) => WhenChanged::Switches,
        (false, false, true) if !is_refused => WhenChanged::Updates,
        (false, false, false) if is_refused => WhenChanged::Refused,
        (false, false, false) if is_paused => WhenChanged::Pauses,
        (false, false, false) if does("Publish") => WhenChanged::Restored,
        (false, false, false) if kinds.is_empty() => WhenChanged::CountsAtTheEnd,
        _ => panic!("{plan:?}"),
    }
}

#[test]
fn a_change_does_what_is_declared() {
    assert_eq!(CHANGES.map(|(name, ..)| name), ALL.map(|about| about.name));
    for (about, (name, before, after)) in ALL.into_iter().zip(CHANGES) {
        let before = with(name, before);
        let settled = replanned(&before, &before);
        assert!(kinds(&settled).is_empty(), "{name}, before: {settled:?}");
        let plan = replanned(&before, &with(name, after));
        assert_eq!(effect(&plan), about.when_changed, "{name}: {plan:?}");
    }
}
