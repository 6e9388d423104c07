//! Load balancers that cannot become what their Service asks for.

use super::asked::{able, asking};
use super::*;
use crate::plan::problem::describe_problems;

/// The plan of a Service on two clouds that can do everything.
fn planned(annotations: &[(&str, &str)], views: [CloudView; 2], now: &Backends) -> Plan {
    planned_for(asking("cloud1,cloud2", annotations), views, now)
}

fn planned_for(mut service: ServiceView, views: [CloudView; 2], now: &Backends) -> Plan {
    service.ip_families.is_dual = true;
    let can = Capabilities {
        features: Feature::ALL.into(),
        ..Capabilities::standard()
    };
    let names = ["cloud1", "cloud2"].map(CloudName::new);
    let clouds: Clouds = names.clone().map(|name| (name, can.clone())).into();
    let mut observed = Observed::of_service(&service, now.clone());
    observed.clouds = names.into_iter().zip(views).collect();
    plan(&desired(&service, &cluster(), &clouds), &observed)
}

/// One that is public, with these addresses.
fn public(state: State, ips: &[&str], nodes: &Backends) -> CloudView {
    let mut found = load_balancer(&service("cloud1"), nodes);
    found.state = state;
    found.addresses.ips = ips.iter().map(|ip| ip.parse().expect("address")).collect();
    CloudView::Present(Box::new(found))
}

fn refused_clouds(plan: &Plan) -> Vec<&str> {
    let waiting = plan.waiting.iter();
    let clouds = waiting.filter_map(|waiting| match waiting {
        Waiting::Refused(cloud, _) => Some(cloud.as_str()),
        _ => None,
    });
    clouds.collect()
}

fn is_invalid(plan: &Plan) -> bool {
    let mut waiting = plan.waiting.iter();
    waiting.any(|waiting| matches!(waiting, Waiting::Invalid(_)))
}

#[test]
fn one_that_is_refused_holds_up_only_its_own_cloud() {
    let (before, now) = (nodes(&["10.0.0.1", "10.0.0.2"]), nodes(&["10.0.0.2"]));
    let internal = [("internal", "true")];
    let found = || public(State::Active, &["192.0.2.1"], &before);
    let plan = planned(&internal, [CloudView::Absent, found()], &now);
    assert_eq!(refused_clouds(&plan), ["cloud2"]);
    let created = plan.actions.iter().find_map(|action| match action {
        Action::Create { cloud, .. } => Some(cloud.as_str()),
        _ => None,
    });
    assert_eq!(created, Some("cloud1"), "the other goes on");
    let update = plan.actions.iter().find_map(|action| match action {
        Action::Update { request, .. } => Some(request),
        _ => None,
    });
    let update = update.expect("its back ends follow");
    assert_eq!(update.spec.nodes, now.addresses);
    assert_ne!(update.spec.internal, Some(true), "it stays as it is");
    let published = plan.actions.iter().find_map(|action| match action {
        Action::Publish { withheld, .. } => Some(withheld),
        _ => None,
    });
    let withheld = published.expect("what was created is published");
    assert_eq!(withheld, &BTreeSet::from([CloudName::new("cloud2")]));

    let plan = planned(&internal, [found(), found()], &now);
    assert!(is_invalid(&plan), "all of them are: {plan:?}");
}

#[test]
fn an_address_that_may_follow_is_not_a_refusal() {
    let same = nodes(&["10.0.0.1"]);
    let both = [("address", "192.0.2.1,2001:db8::7")];
    let of = |state: State| {
        let found = public(state, &["192.0.2.1"], &same);
        planned_for(asking("cloud2", &both), [CloudView::Absent, found], &same)
    };
    let plan = of(State::Provisioning);
    assert!(!is_invalid(&plan), "{plan:?}");
    let cloud = CloudName::new("cloud2");
    assert!(plan.waiting.contains(&Waiting::Provisioning(cloud.clone())));

    let plan = of(State::Active);
    let problems = plan.waiting.iter().find_map(|waiting| match waiting {
        Waiting::Invalid(problems) => Some(problems),
        _ => None,
    });
    let message = describe_problems(problems.expect("a refusal"), "mycloud.com");
    let says = "lacks the address 2001:db8::7 and has 192.0.2.1, which cannot be changed";
    assert!(message.contains(says), "{message}");
}

#[test]
fn nothing_is_published_of_one_that_is_withheld_and_no_address_goes_meanwhile() {
    let same = nodes(&["10.0.0.1"]);
    let mut service = service("cloud1,cloud2");
    let old = Ingress::Ip("198.51.100.9".parse().expect("address"));
    service.published = vec![old.clone()];
    let mut observed = Observed::of_service(&service, same.clone());
    let names = ["cloud1", "cloud2"].map(CloudName::new);
    let views = [["192.0.2.1"], ["192.0.2.2"]].map(|ips| public(State::Active, &ips, &same));
    observed.clouds = names.clone().into_iter().zip(views).collect();
    let [first, second] = names;
    let wanted = BTreeSet::from([first, second.clone()]);
    let publication = observed.publication_without(&wanted, &BTreeSet::from([second]));
    let new = Ingress::Ip("192.0.2.1".parse().expect("address"));
    assert_eq!(publication.ingress, [old, new]);
    assert_eq!(
        publication.record.clouds().count(),
        2,
        "what exists is recorded"
    );
}

#[test]
fn a_published_address_brings_no_other_one_of_what_is_refused() {
    let same = nodes(&["10.0.0.1"]);
    let mut service = asking("cloud1", &[("address", "192.0.2.9")]);
    service.published = vec![Ingress::Ip("192.0.2.1".parse().expect("address"))];
    let Desired::Managed(wanted) = desired(&service, &cluster(), &able()) else {
        panic!("it is valid");
    };
    let mut observed = Observed::of_service(&service, same.clone());
    let cloud = CloudName::new("cloud1");
    let cases: [(&[&str], bool, &str); 4] = [
        (&["192.0.2.9"], false, "as requested"),
        (&["192.0.2.1"], false, "it is there already"),
        (&["192.0.2.5"], true, "it is not"),
        (&["192.0.2.1", "192.0.2.5"], true, "one of them is not"),
    ];
    for (ips, expected, why) in cases {
        let view = public(State::Active, ips, &same);
        observed.clouds.insert(cloud.clone(), view);
        let withheld = wanted.withheld_clouds(&observed);
        assert_eq!(withheld.contains(&cloud), expected, "{why}");
    }
}
