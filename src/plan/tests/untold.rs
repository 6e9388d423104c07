//! Services of clouds that have not told yet what they can do.

use super::*;
use crate::plan::problem::{self, ProblemKind, describe_problems, kind};

fn known(untold: &[&str], can: [Capabilities; 2]) -> KnownClouds {
    KnownClouds {
        clouds: ["cloud1", "cloud2"]
            .map(CloudName::new)
            .into_iter()
            .zip(can)
            .collect(),
        untold: untold.iter().map(|name| CloudName::new(*name)).collect(),
    }
}

fn udp(provider: &str) -> ServiceView {
    let mut service = service(provider);
    service.ports[0].protocol = "UDP".into();
    service
}

fn problems(known: &KnownClouds, service: &ServiceView) -> Option<(ProblemKind, String)> {
    match known.desired(service, &cluster()) {
        Desired::Invalid(found) => {
            let message = describe_problems(&found.problems, "mycloud.com");
            Some((kind(&found.problems), message))
        }
        Desired::Managed(_) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_what_a_cloud_has_told_is_unsupported() {
    let (some, basic) = (Capabilities::standard, Capabilities::basic);
    let untold = Some(ProblemKind::Untold);
    let unsupported = Some(ProblemKind::Unsupported);
    let cases = [
        (
            "cloud2",
            known(&["cloud2"], [some(), basic()]),
            untold,
            "the cloud has not told",
        ),
        (
            "cloud2",
            known(&[], [some(), basic()]),
            unsupported,
            "it has",
        ),
        (
            "cloud2",
            known(&["cloud1"], [some(), basic()]),
            unsupported,
            "another has not",
        ),
        (
            "cloud1",
            known(&["cloud1"], [some(), basic()]),
            None,
            "the profile has it",
        ),
        (
            "cloud1,cloud2",
            known(&["cloud1"], [basic(), basic()]),
            unsupported,
            "one told no",
        ),
        (
            "cloud1,cloud2",
            known(&["cloud1", "cloud2"], [basic(), basic()]),
            untold,
            "neither",
        ),
    ];
    for (provider, known, expected, reason) in cases {
        let found = problems(&known, &udp(provider)).map(|(kind, _)| kind);
        assert_eq!(found, expected, "{reason}");
    }
}

#[test]
fn a_wait_names_the_value_once_and_the_clouds_that_have_not_told() {
    let basic = Capabilities::basic;
    let both = known(&["cloud1", "cloud2"], [basic(), basic()]);
    let (_, message) = problems(&both, &udp("cloud1,cloud2")).expect("a problem");
    let expected = "spec.ports[0].protocol is \"UDP\": cloud1, cloud2 have not told yet whether \
                    this is supported; the Service waits for that";
    assert_eq!(message, expected);
    let (_, message) = problems(&both, &udp("cloud2")).expect("a problem");
    assert!(message.contains(": cloud2 has not told"), "{message}");
}

#[test]
fn what_no_cloud_takes_is_invalid_before_any_cloud_told() {
    let mut service = udp("cloud1");
    service
        .annotations
        .insert(LB_BANDWIDTH.name().into(), "fast".into());
    let untold = known(&["cloud1"], [Capabilities::basic(), Capabilities::basic()]);
    let (kind, _) = problems(&untold, &service).expect("a problem");
    assert_eq!(kind, ProblemKind::Invalid);
}

/// The plan of a Service on both clouds of which the first has not told whether it has UDP.
fn plan_beside(views: [CloudView; 2], now: &Backends) -> Plan {
    let known = known(
        &["cloud1"],
        [Capabilities::basic(), Capabilities::standard()],
    );
    let service = udp("cloud1,cloud2");
    let mut observed = Observed::of_service(&service, now.clone());
    let names = ["cloud1", "cloud2"].map(CloudName::new);
    observed.clouds = names.into_iter().zip(views).collect();
    plan(&known.desired(&service, &cluster()), &observed)
}

fn actions_at(plan: &Plan, cloud: &str) -> Vec<String> {
    let cloud = CloudName::new(cloud);
    let of_it = plan
        .actions
        .iter()
        .filter(|action| action.cloud() == Some(&cloud));
    let actions = of_it.cloned().collect();
    kinds(&Plan {
        actions,
        ..Plan::default()
    })
}

#[test]
fn a_cloud_that_has_not_told_does_not_keep_the_service_from_the_others() {
    let (before, now) = (nodes(&["10.0.0.1", "10.0.0.2"]), nodes(&["10.0.0.2"]));
    let plan = plan_beside([CloudView::Absent, CloudView::Absent], &now);
    assert_eq!(actions_at(&plan, "cloud1"), Vec::<String>::new());
    assert_eq!(actions_at(&plan, "cloud2"), ["Create"]);
    let is_untold = |waiting: &Waiting| {
        matches!(waiting, Waiting::Untold(cloud, problems)
            if cloud.as_str() == "cloud1" && problem::subjects(problems) == "spec.ports[0].protocol")
    };
    assert!(plan.waiting.iter().any(is_untold), "{:?}", plan.waiting);

    // What exists there follows the Nodes, and nothing else of it changes.
    let mut found = load_balancer(&service("cloud1"), &before);
    found.spec.listeners[0].port = 81;
    let found = CloudView::Present(Box::new(found));
    let plan = plan_beside([found, CloudView::Absent], &now);
    let update = plan.actions.iter().find_map(|action| match action {
        Action::Update { request, .. } => Some(request),
        _ => None,
    });
    let update = update.expect("the back ends follow");
    assert_eq!(update.spec.nodes, now.addresses);
    assert_eq!(update.spec.listeners[0].port, 81);
    assert_eq!(actions_at(&plan, "cloud2"), ["Create"]);
}

#[test]
fn what_a_cloud_lacks_is_not_known_before_it_has_told() {
    let can = || [Capabilities::basic(), Capabilities::standard()];
    let service = udp("cloud1,cloud2");
    let mut observed = Observed::of_service(&service, nodes(&["10.0.0.1"]));
    let names = ["cloud1", "cloud2"].map(CloudName::new);
    observed.clouds = names.map(|name| (name, CloudView::Absent)).into();
    let Desired::Managed(untold) = known(&["cloud1"], can()).desired(&service, &cluster()) else {
        panic!("the other cloud is enough");
    };
    assert!(!untold.knows_lacking_ports(&observed));
    let service = self::service("cloud1,cloud2");
    let Desired::Managed(able) = known(&["cloud1"], can()).desired(&service, &cluster()) else {
        panic!("both are enough");
    };
    assert!(able.knows_lacking_ports(&observed));
    let view = CloudView::Unanswered;
    observed.clouds.insert(CloudName::new("cloud2"), view);
    assert!(!able.knows_lacking_ports(&observed));
}

#[test]
fn a_cloud_whose_profile_suffices_is_not_asked_for_more() {
    let both = known(
        &["cloud1", "cloud2"],
        [Capabilities::basic(), Capabilities::standard()],
    );
    let Desired::Managed(wanted) = both.desired(&udp("cloud1,cloud2"), &cluster()) else {
        panic!("one of the clouds is enough");
    };
    let spec = wanted.spec(&CloudName::new("cloud2"), &NodeAddresses::default());
    assert_eq!(spec.internal, None, "its profile does not have that");
}
