mod left;
mod side_by_side;

use std::collections::BTreeMap;

use super::*;
use crate::plan::Backends;
use crate::plan::action::CreateRequest;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::{ClusterId, Owner, ServiceUid};
use crate::plan::record::Record;

fn cloud(name: &str) -> CloudName {
    CloudName::new(name)
}

fn id(name: &str) -> LoadBalancerId {
    LoadBalancerId::new(name)
}

fn load_balancer(at: &str) -> LoadBalancer {
    let owner = Owner {
        cluster: ClusterId::new("cluster"),
        namespace: "default".into(),
        name: "web".into(),
        uid: ServiceUid::new("uid"),
    };
    LoadBalancer::plain(
        &format!("lb-of-{at}"),
        owner.load_balancer_name(),
        Some(owner),
    )
}

fn create(at: &str) -> Action {
    let LoadBalancer {
        name, owner, spec, ..
    } = load_balancer(at);
    let request = CreateRequest {
        name,
        owner: owner.expect("an owner"),
        spec,
    };
    Action::Create {
        cloud: cloud(at),
        request,
    }
}

fn update(at: &str) -> Action {
    let Action::Create { cloud, request } = create(at) else {
        panic!("a create");
    };
    Action::Update {
        cloud,
        id: id(&format!("lb-of-{at}")),
        request,
        fallbacks: Vec::new(),
        urgency: crate::plan::Urgency::User,
    }
}

fn delete(at: &str) -> Action {
    Action::Delete {
        cloud: cloud(at),
        id: id("old"),
    }
}

fn confirm_gone(at: &str) -> Action {
    Action::ConfirmGone {
        cloud: cloud(at),
        id: id("old"),
    }
}

fn publish() -> Action {
    Action::Publish {
        clouds: BTreeSet::new(),
        withheld: BTreeSet::new(),
    }
}

const RELEASE: Action = Action::RemoveFinalizer { clear_status: true };

/// A Service on two clouds that is released.
fn release_of_both() -> Execution {
    execution([
        delete("cloud1"),
        confirm_gone("cloud1"),
        delete("cloud2"),
        confirm_gone("cloud2"),
        RELEASE,
    ])
}

fn execution(actions: impl IntoIterator<Item = Action>) -> Execution {
    let plan = Plan {
        actions: actions.into_iter().collect(),
        waiting: BTreeSet::new(),
    };
    let observed = Observed {
        finalizer: true,
        record: Record::default(),
        ingress: Vec::new(),
        modes: Default::default(),
        clouds: BTreeMap::new(),
        backends: Backends::default(),
        unmet: Default::default(),
    };
    Execution::new(plan, observed).0
}

fn created(at: &str) -> Outcome {
    Outcome::Found(Box::new(load_balancer(at)))
}

fn at(name: &str) -> Lane {
    Lane::Cloud(cloud(name))
}

/// The effects that are under way, in the order of their lanes.
fn under_way(execution: &Execution) -> Vec<String> {
    let effects = execution.effects().map(|(_, effect)| match effect {
        Effect::Apply(action) => action.to_string(),
        Effect::CheckService => "check Service".to_owned(),
        Effect::Undo { cloud, id } => format!("undo {id} on {cloud}"),
    });
    effects.collect()
}

/// Ends an action as if all went well.
fn succeed(execution: &mut Execution, lane: &Lane) {
    let outcome = match execution.effect(lane) {
        Some(Effect::Apply(Action::Create { cloud, .. })) => created(cloud.as_str()),
        _ => Outcome::Done,
    };
    execution.succeeded(lane, outcome);
}

/// The effects that follow while everything succeeds, the first lane first.
fn rest(mut execution: Execution) -> Vec<String> {
    let mut effects = Vec::new();
    while let Some(lane) = execution.lanes().into_iter().next() {
        effects.extend(under_way(&execution).into_iter().take(1));
        match execution.effect(&lane) {
            Some(Effect::CheckService) => execution.service_checked(true),
            Some(Effect::Undo { .. }) => execution.undone(),
            _ => succeed(&mut execution, &lane),
        }
    }
    effects
}

#[test]
fn a_failure_ends_the_plan_for_its_cloud_only() {
    let mut one_fails = execution([
        delete("cloud1"),
        confirm_gone("cloud1"),
        delete("cloud2"),
        confirm_gone("cloud2"),
        RELEASE,
    ]);
    assert_eq!(
        one_fails.failed(&at("cloud1"), Reach::Action, Certainty::Unknown),
        None
    );
    assert_eq!(
        rest(one_fails),
        [
            "delete load balancer old on cloud2",
            "confirm that load balancer old on cloud2 is gone"
        ],
        "the finalizer stays while something may be left"
    );
}

#[test]
fn a_failure_of_no_single_cloud_ends_the_plan() {
    for reach in [Reach::Action, Reach::Plan] {
        let mut not_confirmed = execution([Action::ConfirmLive, create("cloud1"), publish()]);
        assert_eq!(
            not_confirmed.failed(&Lane::Service, reach, Certainty::NotDone),
            None
        );
        assert_eq!(rest(not_confirmed), [""; 0]);
    }
    let mut changed = execution([delete("cloud1"), delete("cloud2"), RELEASE]);
    let failed = changed.failed(&at("cloud1"), Reach::Plan, Certainty::NotDone);
    assert_eq!(failed, None);
    assert_eq!(
        rest(changed),
        ["delete load balancer old on cloud2"],
        "what had begun ends; the Service is another one"
    );
}

#[test]
fn only_a_create_without_an_answer_stays_pending() {
    let fails = |action: Action, certainty| {
        execution([action]).failed(&at("cloud1"), Reach::Action, certainty)
    };
    let pending = fails(create("cloud1"), Certainty::Unknown);
    assert_eq!(pending, Some(cloud("cloud1")));
    assert_eq!(fails(create("cloud1"), Certainty::NotDone), None);
    assert_eq!(fails(delete("cloud1"), Certainty::Unknown), None);
}

#[test]
fn creates_that_cannot_be_recorded_are_undone_once_the_service_is_gone() {
    let both_created = || {
        let mut both = execution([create("cloud1"), create("cloud2"), publish(), RELEASE]);
        assert!(!both.is_recording());
        both.succeeded(&at("cloud1"), created("cloud1"));
        both.succeeded(&at("cloud2"), created("cloud2"));
        assert!(both.is_recording(), "even while the process stops");
        both
    };
    assert_eq!(
        rest(both_created()),
        ["update record and status", "remove finalizer"]
    );

    let mut unrecorded = both_created();
    assert_eq!(
        unrecorded.failed(&Lane::Service, Reach::Action, Certainty::Unknown),
        None
    );
    assert_eq!(
        rest(unrecorded.clone()),
        [
            "check Service",
            "undo lb-of-cloud1 on cloud1",
            "undo lb-of-cloud2 on cloud2"
        ],
    );
    unrecorded.service_checked(false);
    assert_eq!(rest(unrecorded), [""; 0], "the Service still leads to them");

    let mut without_leadership = both_created();
    let failed = without_leadership.failed(&Lane::Service, Reach::Plan, Certainty::NotDone);
    assert_eq!((failed, rest(without_leadership)), (None, Vec::new()));
}

#[test]
fn a_second_failed_record_of_nothing_new_undoes_nothing() {
    let mut recorded = execution([create("cloud1"), publish(), publish()]);
    succeed(&mut recorded, &at("cloud1"));
    succeed(&mut recorded, &Lane::Service);
    let failed = recorded.failed(&Lane::Service, Reach::Action, Certainty::Unknown);
    assert_eq!(failed, None);
    assert_eq!(rest(recorded), [""; 0]);
}
