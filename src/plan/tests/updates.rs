//! Updates of back ends, and what follows a rejected one.

use super::*;
use crate::plan::naming::LoadBalancerName;

/// The back ends that an update sends, then those of its fallbacks.
fn sent_back_ends(service: &ServiceView, found: &LoadBalancer, backends: Backends) -> Vec<String> {
    let mut observed = Observed::of_service(service, backends);
    let present = CloudView::Present(Box::new(found.clone()));
    observed.clouds = BTreeMap::from([(CloudName::new("cloud1"), present)]);
    let plan = plan(&desired(service, &cluster(), &clouds()), &observed);
    let mut sent = Vec::new();
    for action in &plan.actions {
        if let Action::Update {
            request, fallbacks, ..
        } = action
        {
            sent.extend([request].into_iter().chain(fallbacks).map(|request| {
                let bandwidth = &request.spec.bandwidth;
                let nodes = request.spec.nodes.iter().map(ToString::to_string);
                format!("{bandwidth} {}", nodes.collect::<Vec<_>>().join(","))
            }));
        }
    }
    sent
}

#[test]
fn what_a_cloud_may_reject_is_followed_by_what_it_takes() {
    let in_sync = service("cloud1");
    let mut edited = in_sync.clone();
    edited
        .annotations
        .insert(LB_BANDWIDTH.name().into(), "7M".into());
    let mut bad = in_sync.clone();
    bad.annotations
        .insert(LB_BANDWIDTH.name().into(), "fast".into());
    let before = nodes(&["10.0.0.1", "10.0.0.2"]);
    let found = load_balancer(&in_sync, &before);
    let cases: [(&str, &ServiceView, &[&str], &[&str]); 7] = [
        (
            "a Node joins",
            &in_sync,
            &["10.0.0.1", "10.0.0.2", "10.0.0.3"],
            &["5M 10.0.0.1,10.0.0.2,10.0.0.3"],
        ),
        ("a Node leaves", &in_sync, &["10.0.0.1"], &["5M 10.0.0.1"]),
        (
            "one leaves, and one that the cloud cannot take joins",
            &in_sync,
            &["10.0.0.1", "10.0.0.3"],
            &["5M 10.0.0.1,10.0.0.3", "5M 10.0.0.1"],
        ),
        (
            "all are replaced: nothing is emptied",
            &in_sync,
            &["10.0.0.3"],
            &["5M 10.0.0.3"],
        ),
        (
            "an edit alone",
            &edited,
            &["10.0.0.1", "10.0.0.2"],
            &["7M 10.0.0.1,10.0.0.2"],
        ),
        (
            "an edit that the cloud may reject, and Nodes that changed",
            &edited,
            &["10.0.0.1", "10.0.0.3"],
            &[
                "7M 10.0.0.1,10.0.0.3",
                "5M 10.0.0.1,10.0.0.3",
                "5M 10.0.0.1",
            ],
        ),
        (
            "an invalid Service keeps the rest of what it has",
            &bad,
            &["10.0.0.1", "10.0.0.3"],
            &["5M 10.0.0.1,10.0.0.3", "5M 10.0.0.1"],
        ),
    ];
    for (reason, service, now, expected) in cases {
        assert_eq!(
            sent_back_ends(service, &found, nodes(now)),
            expected,
            "{reason}"
        );
    }
}

#[test]
fn back_ends_change_without_a_second_request_for_what_the_cloud_keeps_otherwise() {
    let mut bad = service("cloud1");
    bad.annotations
        .insert(LB_BANDWIDTH.name().into(), "fast".into());
    let requested = load_balancer(&service("cloud1"), &nodes(&["10.0.0.1"]));
    let mut shown = requested.clone();
    shown.spec.bandwidth = "10M".into();
    let cloud = CloudName::new("cloud1");
    let mut observed = Observed::of_service(&bad, nodes(&["10.0.0.9"]));
    let kept = Kept::of(&requested.spec, &shown.spec, &shown).expect("it keeps 10M");
    observed.unmet.kept.insert(cloud.clone(), kept);
    let present = CloudView::Present(Box::new(shown.clone()));
    observed.clouds.insert(cloud.clone(), present);

    let plan = plan(&desired(&bad, &cluster(), &clouds()), &observed);
    let [action @ Action::Update { request, .. }] = &plan.actions[..] else {
        panic!("{plan:?}");
    };
    assert_eq!(request.spec.bandwidth, "5M", "as it was requested before");
    shown.spec.nodes = request.spec.nodes.clone();
    observed.record_outcome(action, Outcome::Found(Box::new(shown)));
    assert!(
        observed.unmet.kept.contains_key(&cloud),
        "it is still known"
    );
}

#[test]
fn a_name_that_the_cloud_shows_in_capitals_is_sent_as_it_was_given() {
    let mut bad = service("cloud1");
    bad.annotations
        .insert(LB_BANDWIDTH.name().into(), "fast".into());
    let mut found = load_balancer(&service("cloud1"), &nodes(&["10.0.0.1"]));
    let given = found.name.clone();
    let capitals = LoadBalancerName::new(given.as_str().to_ascii_uppercase());
    for (shown, sent) in [
        (capitals, given),
        (
            LoadBalancerName::new("By-Hand"),
            LoadBalancerName::new("By-Hand"),
        ),
    ] {
        found.name = shown;
        let mut observed = Observed::of_service(&bad, nodes(&["10.0.0.9"]));
        let present = CloudView::Present(Box::new(found.clone()));
        observed.clouds = BTreeMap::from([(CloudName::new("cloud1"), present)]);
        let plan = plan(&desired(&bad, &cluster(), &clouds()), &observed);
        let [Action::Update { request, .. }] = &plan.actions[..] else {
            panic!("{plan:?}");
        };
        assert_eq!(request.name.as_str(), sent.as_str());
    }
}

/// What a plan sends for a Service, given what is known of its cloud.
fn sent(service: &ServiceView, found: &LoadBalancer, unmet: &Unmet, nodes: &Backends) -> usize {
    let mut observed = Observed::of_service(service, nodes.clone());
    let cloud = CloudName::new("cloud1");
    observed.unmet = unmet.clone();
    observed
        .clouds
        .insert(cloud, CloudView::Present(Box::new(found.clone())));
    observed.resolve_unmet();
    let plan = plan(&desired(service, &cluster(), &clouds()), &observed);
    let is_update = |action: &&Action| matches!(action, Action::Update { .. });
    plan.actions.iter().filter(is_update).count()
}

#[test]
fn what_is_known_of_a_difference_keeps_the_same_update_from_being_sent() {
    let base = service("cloud1");
    let cloud = || CloudName::new("cloud1");
    let one = nodes(&["10.0.0.1"]);
    let as_wanted = load_balancer(&base, &one);
    let requested = &as_wanted.spec;
    let shows = |bandwidth: &str, state: State| {
        let mut found = as_wanted.clone();
        found.spec.bandwidth = bandwidth.into();
        found.state = state;
        found
    };
    let (working, active) = (State::Provisioning, State::Active);
    let old = shows("1K", working.clone());
    let under_way = UnderWay::of(requested, &old.spec, &old).expect("it works");
    let given_up = Kept::before_update(requested, &shows("1K", active.clone()));
    let under_way = Unmet {
        under_way: [(cloud(), under_way)].into(),
        ..Unmet::default()
    };
    let given_up = Unmet {
        given_up: [(cloud(), given_up.expect("a difference"))].into(),
        ..Unmet::default()
    };
    let nothing = Unmet::default();
    let mut edited = base.clone();
    edited
        .annotations
        .insert(LB_BANDWIDTH.name().into(), "9M".into());
    let two = nodes(&["10.0.0.1", "10.0.0.2"]);
    let failed = State::Error("broken".into());
    let mut drifted = as_wanted.clone();
    drifted.spec.algorithm = Algorithm::SourceHash;
    let cases = [
        (
            &base,
            shows("1K", working.clone()),
            &nothing,
            &one,
            1,
            "a new leader",
        ),
        (
            &base,
            shows("1K", working.clone()),
            &under_way,
            &one,
            0,
            "accepted",
        ),
        (
            &edited,
            shows("1K", working.clone()),
            &under_way,
            &one,
            1,
            "an edit",
        ),
        (
            &base,
            shows("1K", working),
            &under_way,
            &two,
            1,
            "a Node came",
        ),
        (
            &base,
            shows("1K", active.clone()),
            &under_way,
            &one,
            0,
            "it keeps 1K",
        ),
        (
            &base,
            drifted,
            &under_way,
            &one,
            1,
            "somebody changed another value meanwhile",
        ),
        (&base, shows("1K", failed), &under_way, &one, 1, "it failed"),
        (
            &base,
            shows("1K", active.clone()),
            &given_up,
            &one,
            0,
            "given up",
        ),
        (
            &base,
            shows("2K", active.clone()),
            &given_up,
            &one,
            1,
            "another value",
        ),
        (
            &edited,
            shows("1K", active.clone()),
            &given_up,
            &one,
            1,
            "an edit",
        ),
        (
            &base,
            shows("1K", active),
            &given_up,
            &two,
            1,
            "a Node came",
        ),
    ];
    for (service, found, unmet, nodes, expected, reason) in cases {
        assert_eq!(sent(service, &found, unmet, nodes), expected, "{reason}");
    }
}

#[test]
fn while_a_node_cannot_be_read_back_ends_only_join() {
    let base = service("cloud1");
    let found = load_balancer(&base, &nodes(&["10.0.0.1", "10.0.0.2"]));
    let cases: [(&[&str], &[&str]); 3] = [
        (&["10.0.0.1"], &["10.0.0.1", "10.0.0.2"]),
        (&["10.0.0.3"], &["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        (&[], &["10.0.0.1", "10.0.0.2"]),
    ];
    for (seen, expected) in cases {
        let seen = Backends {
            some_unknown: true,
            ..nodes(seen)
        };
        let observed = Observed::of_service(&base, seen);
        assert_eq!(
            backends(&observed, &found, false),
            nodes(expected).addresses
        );
    }
}

#[test]
fn with_an_invalid_selector_only_what_is_no_node_any_more_leaves() {
    let base = service("cloud1");
    let found = load_balancer(&base, &nodes(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]));
    let all = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
    let cases: [(&[&str], &[&str], &str); 4] = [
        (
            &["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"],
            &all,
            "none joins",
        ),
        (&["10.0.0.1", "10.0.0.4"], &["10.0.0.1"], "two are gone"),
        (&["10.0.0.4"], &all, "perhaps other addresses are meant"),
        (&[], &all, "nobody knows"),
    ];
    for (seen, expected, why) in cases {
        let seen = Backends {
            only_leave: true,
            ..nodes(seen)
        };
        let observed = Observed::of_service(&base, seen);
        let kept = backends(&observed, &found, false);
        assert_eq!(kept, nodes(expected).addresses, "{why}");
    }
}
