//! Two clouds are called at once, and each is published when it has answered.

use super::*;

const CREATE: [&str; 2] = [
    "create load balancer default-web-42119eef2e5575c6 on cloud1 (back ends: 0)",
    "create load balancer default-web-42119eef2e5575c6 on cloud2 (back ends: 0)",
];
const PUBLISH: &str = "update record and status";

fn publish_both() -> Action {
    Action::Publish {
        clouds: ["cloud1", "cloud2"].map(cloud).into(),
        withheld: BTreeSet::new(),
    }
}

fn both() -> Execution {
    execution([create("cloud1"), create("cloud2"), publish_both()])
}

fn recorded(execution: &Execution) -> Vec<&str> {
    let ids = execution.observed().record.ids();
    ids.map(LoadBalancerId::as_str).collect()
}

#[test]
fn the_first_to_answer_is_published_while_the_other_is_at_work() {
    for (first, second) in [("cloud1", "cloud2"), ("cloud2", "cloud1")] {
        let mut plan = both();
        assert_eq!(under_way(&plan), CREATE, "side by side");
        assert!(!plan.may_publish_early());
        succeed(&mut plan, &at(first));
        assert!(plan.may_publish_early());
        plan.publish_early();
        assert_eq!(plan.effects().count(), 2);
        assert!(plan.is_recording());
        succeed(&mut plan, &Lane::Service);
        assert_eq!(recorded(&plan), [format!("lb-of-{first}")]);
        assert!(!plan.may_publish_early(), "nothing to add yet");
        succeed(&mut plan, &at(second));
        assert_eq!(under_way(&plan), [PUBLISH], "the turn of the publication");
        succeed(&mut plan, &Lane::Service);
        assert_eq!(recorded(&plan).len(), 2);
        assert!(plan.has_ended());
    }
}

#[test]
fn an_update_is_unfinished_until_it_has_ended() {
    let clouds = |names: &[&str]| -> BTreeSet<CloudName> {
        let names = names.iter().copied();
        names.map(cloud).collect()
    };
    let mut plan = execution([
        Action::ConfirmLive,
        update("cloud1"),
        create("cloud2"),
        publish_both(),
    ]);
    assert_eq!(plan.updating(), clouds(&["cloud1"]), "it has not begun");
    succeed(&mut plan, &Lane::Service);
    succeed(&mut plan, &at("cloud2"));
    plan.publish_early();
    assert_eq!(plan.updating(), clouds(&["cloud1"]), "it is under way");
    succeed(&mut plan, &at("cloud1"));
    assert_eq!(plan.updating(), clouds(&[]));
}

#[test]
fn what_answers_during_a_publication_is_not_in_it() {
    let mut plan = both();
    succeed(&mut plan, &at("cloud1"));
    plan.publish_early();
    succeed(&mut plan, &at("cloud2"));
    succeed(&mut plan, &Lane::Service);
    assert_eq!(recorded(&plan), ["lb-of-cloud1"]);
    assert!(plan.is_recording(), "that of cloud2 is in no record yet");
    succeed(&mut plan, &Lane::Service);
    assert_eq!(recorded(&plan).len(), 2);
    assert!(plan.has_ended());
}

#[test]
fn two_that_answer_at_once_are_published_once() {
    let mut plan = both();
    succeed(&mut plan, &at("cloud1"));
    succeed(&mut plan, &at("cloud2"));
    succeed(&mut plan, &Lane::Service);
    assert_eq!(recorded(&plan).len(), 2);
    assert!(plan.has_ended());
}

#[test]
fn a_failure_after_a_publication_needs_no_other_one() {
    let mut plan = both();
    succeed(&mut plan, &at("cloud1"));
    plan.publish_early();
    succeed(&mut plan, &Lane::Service);
    let pending = plan.failed(&at("cloud2"), Reach::Action, Certainty::Unknown);
    assert_eq!(pending, Some(cloud("cloud2")));
    assert!(plan.has_ended());
}

#[test]
fn what_is_created_after_a_failed_publication_is_undone_as_well() {
    let mut plan = both();
    succeed(&mut plan, &at("cloud1"));
    plan.publish_early();
    let failed = plan.failed(&Lane::Service, Reach::Action, Certainty::Unknown);
    assert_eq!(failed, None);
    assert_eq!(under_way(&plan), CREATE[1..], "it may still create one");
    succeed(&mut plan, &at("cloud2"));
    assert_eq!(
        rest(plan),
        [
            "check Service",
            "undo lb-of-cloud1 on cloud1",
            "undo lb-of-cloud2 on cloud2"
        ]
    );
}

#[test]
fn each_cloud_goes_on_at_its_own_pace_up_to_the_next_write() {
    let mut plan = release_of_both();
    succeed(&mut plan, &at("cloud1"));
    assert_eq!(
        under_way(&plan),
        [
            "confirm that load balancer old on cloud1 is gone",
            "delete load balancer old on cloud2"
        ]
    );
    succeed(&mut plan, &at("cloud1"));
    assert_eq!(under_way(&plan), ["delete load balancer old on cloud2"]);
    succeed(&mut plan, &at("cloud2"));
    succeed(&mut plan, &at("cloud2"));
    assert_eq!(under_way(&plan), ["remove finalizer"]);
}

#[test]
fn nothing_begins_before_a_write_that_precedes_it() {
    let finalizer = Action::AddFinalizer {
        clouds: ["cloud1", "cloud2"].map(cloud).into(),
    };
    let mut plan = execution([
        finalizer,
        create("cloud1"),
        create("cloud2"),
        publish_both(),
    ]);
    assert_eq!(under_way(&plan), ["add finalizer and announce creates"]);
    succeed(&mut plan, &Lane::Service);
    assert_eq!(under_way(&plan), CREATE);

    // A publication in its turn is no early one: what follows waits for it.
    let mut published = execution([create("cloud1"), publish_both(), delete("cloud2")]);
    succeed(&mut published, &at("cloud1"));
    assert_eq!(under_way(&published), [PUBLISH]);
    succeed(&mut published, &Lane::Service);
    assert_eq!(
        under_way(&published),
        ["delete load balancer old on cloud2"]
    );
}
