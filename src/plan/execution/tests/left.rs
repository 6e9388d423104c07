//! A cloud takes so long that the plan goes on without it.

use super::*;
use crate::plan::CloudView;
use crate::plan::kept::Kept;

fn both() -> Execution {
    execution([create("cloud1"), create("cloud2"), publish()])
}

/// Both were created; the response of cloud2 is awaited.
fn left() -> Execution {
    let mut plan = both();
    succeed(&mut plan, &at("cloud1"));
    plan.publish_early();
    assert!(!plan.awaits_only_clouds(), "no write is left behind");
    succeed(&mut plan, &Lane::Service);
    assert!(plan.awaits_only_clouds());
    assert_eq!(plan.leave(), BTreeSet::from([cloud("cloud2")]));
    plan
}

#[test]
fn no_write_follows_what_is_left_behind() {
    let mut plan = left();
    let observed = plan
        .observed()
        .without_answers_of(&[cloud("cloud2")].into());
    let view = observed.clouds.get(&cloud("cloud2"));
    assert_eq!(view, Some(&CloudView::Unanswered));
    assert_eq!(plan.lanes(), [at("cloud2")]);
    let pending = plan.failed(&at("cloud2"), Reach::Action, Certainty::Unknown);
    assert_eq!(pending, Some(cloud("cloud2")), "it may have been created");
    assert!(plan.has_ended());
}

#[test]
fn what_it_creates_is_undone_if_the_service_is_gone() {
    let mut plan = left();
    succeed(&mut plan, &at("cloud2"));
    assert_eq!(under_way(&plan), ["check Service"]);
    let mut exists = plan.clone();
    exists.service_checked(false);
    assert!(exists.has_ended(), "the next plan records it");
    assert_eq!(
        rest(plan),
        ["check Service", "undo lb-of-cloud2 on cloud2"],
        "that of cloud1 is on record"
    );
}

#[test]
fn what_follows_on_the_same_cloud_is_done() {
    let mut plan = release_of_both();
    succeed(&mut plan, &at("cloud1"));
    succeed(&mut plan, &at("cloud1"));
    assert_eq!(plan.leave(), BTreeSet::from([cloud("cloud2")]));
    assert_eq!(
        rest(plan),
        [
            "delete load balancer old on cloud2",
            "confirm that load balancer old on cloud2 is gone"
        ],
        "the finalizer is for the next plan"
    );
}

#[test]
fn what_an_update_that_is_left_behind_shows_is_kept() {
    let Action::Create { request, .. } = create("cloud2") else {
        panic!("not a create");
    };
    let shown = load_balancer("cloud2");
    let mut asked = request;
    asked.spec.bandwidth = "20M".into();
    let update = Action::Update {
        cloud: cloud("cloud2"),
        id: shown.id.clone(),
        request: asked,
        fallbacks: Vec::new(),
        urgency: crate::plan::Urgency::User,
    };
    let mut plan = execution([create("cloud1"), update]);
    succeed(&mut plan, &at("cloud1"));
    plan.leave();
    plan.succeeded(&at("cloud2"), Outcome::Found(Box::new(shown)));
    let kept = &plan.observed().unmet.kept;
    let fields = kept.get(&cloud("cloud2")).map(Kept::fields);
    assert_eq!(fields, Some(vec!["bandwidth"]));
}
