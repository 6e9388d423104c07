//! Clouds whose load balancers of a spec can have only so many back ends.

use super::*;
use crate::plan::capabilities::Limits;
use crate::plan::problem::{ProblemKind, describe_problems, kind};

/// Of the spec `standard`, cloud1 gives two back ends at most, and cloud2 any number.
fn some() -> Clouds {
    let two = Limits {
        back_ends: Some(2),
        ..Limits::default()
    };
    let mut clouds = clouds();
    let cloud1 = clouds.get_mut(&CloudName::new("cloud1")).expect("there");
    let specs = [
        ("standard".to_owned(), two),
        ("large".to_owned(), Limits::default()),
    ];
    cloud1.specs = Some(specs.into());
    clouds
}

fn planned(service: &ServiceView, views: [CloudView; 2], nodes: Backends) -> Plan {
    let mut observed = Observed::of_service(service, nodes);
    let names = ["cloud1", "cloud2"].map(CloudName::new);
    observed.clouds = names.into_iter().zip(views).collect();
    plan(&desired(service, &cluster(), &some()), &observed)
}

fn created(plan: &Plan) -> Vec<&str> {
    let created = plan.actions.iter().filter_map(|action| match action {
        Action::Create { cloud, .. } => Some(cloud.as_str()),
        _ => None,
    });
    created.collect()
}

const ABSENT: [CloudView; 2] = [CloudView::Absent, CloudView::Absent];

#[test]
fn no_create_is_sent_with_more_back_ends_than_the_cloud_gives() {
    let two = || nodes(&["10.0.0.1", "10.0.0.2"]);
    let three = || nodes(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    let (one, both) = (service("cloud1"), service("cloud1,cloud2"));
    assert_eq!(created(&planned(&one, ABSENT, two())), ["cloud1"]);
    let plan = planned(&one, ABSENT, three());
    assert!(plan.actions.is_empty(), "{plan:?}");
    let Some(Waiting::Invalid(problems)) = plan.waiting.first() else {
        panic!("{plan:?}");
    };
    assert_eq!(kind(problems), ProblemKind::Unsupported);
    let message = describe_problems(problems, "mycloud.com");
    let says = "annotation mycloud.com/lb-spec is \"standard\": cloud1 does not support 3 back ends \
                on a load balancer of the spec standard, but 2 (cloud2 can); choose another spec, \
                or fewer Nodes with node-selector, for example node-selector:";
    assert!(message.starts_with(says), "{message}");

    let plan = planned(&both, ABSENT, three());
    assert_eq!(created(&plan), ["cloud2"], "the other goes on");
    let is_refused = |waiting: &Waiting| matches!(waiting, Waiting::Refused(..));
    assert!(plan.waiting.iter().any(is_refused), "{plan:?}");

    let mut large = one.clone();
    large.annotations.insert("lb-spec".into(), "large".into());
    assert_eq!(created(&planned(&large, ABSENT, three())), ["cloud1"]);
}

#[test]
fn one_that_exists_follows_the_nodes_and_the_cloud_decides() {
    let service = service("cloud1");
    let found = load_balancer(&service, &nodes(&["10.0.0.1", "10.0.0.2"]));
    let views = [CloudView::Present(found.into()), CloudView::Absent];
    let three = nodes(&["10.0.0.2", "10.0.0.3", "10.0.0.4"]);
    let plan = planned(&service, views, three.clone());
    let update = plan.actions.iter().find_map(|action| match action {
        Action::Update {
            request, fallbacks, ..
        } => Some((request, fallbacks)),
        _ => None,
    });
    let (request, fallbacks) = update.expect("the back ends follow");
    assert_eq!(request.spec.nodes, three.addresses);
    let left = nodes(&["10.0.0.2"]).addresses;
    assert!(
        fallbacks.iter().any(|less| less.spec.nodes == left),
        "{fallbacks:?}"
    );
}
