//! What others change on a load balancer while a Service is attached to it.

use super::*;
use crate::plan::existing::renewed;
use crate::plan::kept::{Kept, UnderWay, Unmet};
use crate::plan::naming::{Owner, ServiceUid};

/// The first update of a plan.
fn request(plan: &Plan) -> CreateRequest {
    let request = plan.actions.iter().find_map(|action| match action {
        Action::Update { request, .. } => Some(request.clone()),
        _ => None,
    });
    request.expect("an update")
}

/// Another one beside their listener, as they add it.
fn more() -> Listener {
    Listener {
        name: "more".into(),
        port: 444,
        ..theirs()
    }
}

#[test]
fn what_is_sent_is_made_of_what_is_there_then() {
    let service = asking();
    let attach = request(&planned(&service, offered(made())));
    let sent = |before: &LoadBalancer, edit: fn(&mut LoadBalancer)| {
        let mut live = before.clone();
        edit(&mut live);
        renewed(&attach, before, &live).map(|request| request.spec)
    };
    assert_eq!(sent(&made(), |_| {}), Some(attach.spec.clone()));
    let edited = sent(&made(), |found| {
        found.spec.bandwidth = "9G".into();
        found.spec.listeners[0].node_port = 31999;
        found.spec.listeners.push(more());
    });
    let mut expected = attach.spec.clone();
    expected.bandwidth = "9G".into();
    expected.listeners[0].node_port = 31999;
    expected.listeners.insert(1, more());
    assert_eq!(edited, Some(expected), "theirs, and ours once");

    type Edit = fn(&mut LoadBalancer);
    let cases: [(&str, LoadBalancer, Edit); 7] = [
        ("our port is taken", made(), |found| {
            found.spec.listeners[0].port = 80;
        }),
        ("a back end of others", made(), |found| {
            found.spec.nodes = nodes(&["10.9.9.9"]).addresses;
        }),
        ("a field that is not known", made(), |found| {
            *found = opaque(found.clone());
        }),
        ("somebody else's", made(), |found| {
            let owner = asking().owner(&cluster());
            let uid = ServiceUid::new("another");
            found.owner = Some(Owner { uid, ..owner }.on_existing());
        }),
        ("not attached any more", attached(), |found| {
            found.owner = None
        }),
        ("going", attached(), |found| found.state = State::Deleting),
        ("none of others any more", attached(), |found| {
            found.spec.listeners.remove(0);
        }),
    ];
    for (reason, before, edit) in cases {
        assert_eq!(sent(&before, edit), None, "{reason}");
    }
    // The answer to an earlier attempt was lost.
    assert!(renewed(&attach, &made(), &attached()).is_some());
}

/// The plan for an attached Service that gets another Node, after an update.
fn follows(unmet: Unmet, found: LoadBalancer) -> CreateRequest {
    let mut observed = observed(&asking(), present(found));
    observed.unmet = unmet;
    observed.backends = nodes(&["10.0.0.1", "10.0.0.2"]);
    observed.resolve_unmet();
    request(&plan_of(&asking(), &observed))
}

/// What a cloud keeps otherwise than requested counts as requested; what others have does not.
#[test]
fn what_others_change_during_an_update_is_not_undone_later() {
    let cloud = CloudName::new(CLOUD);
    let requested = attached().spec;
    let mut edited = attached();
    edited.spec.listeners[0].node_port = 31999;
    edited.spec.bandwidth = "9G".into();
    assert_eq!(Kept::of(&requested, &made().spec, &edited), None);
    assert_eq!(Kept::before_update(&requested, &edited), None);

    // The cloud keeps ours its own way, too.
    let node_port = edited.spec.listeners[1].node_port;
    edited.spec.listeners[1].node_port = node_port + 1;
    let kept = Kept::of(&requested, &made().spec, &edited).expect("a difference");
    assert_eq!(kept.fields(), ["listeners"]);
    let read = kept.as_requested(&edited).spec.listeners;
    assert_eq!((read[0].node_port, read[1].node_port), (31999, node_port));
    let unmet = Unmet {
        kept: [(cloud.clone(), kept)].into(),
        ..Unmet::default()
    };
    let sent = follows(unmet, edited).spec.listeners;
    assert_eq!(sent[0].node_port, 31999, "{sent:?}");

    // A value of others that is not known hides nothing of ours.
    let unknown = LoadBalancer {
        is_understood: false,
        ..edited_of_others()
    };
    assert_eq!(Kept::of(&requested, &made().spec, &unknown), None);
}

fn edited_of_others() -> LoadBalancer {
    let mut found = attached();
    found.spec.listeners.clear();
    found
}

/// An update that is under way is not sent again because others have changed something.
#[test]
fn what_others_change_does_not_repeat_an_update() {
    let mut works = attached();
    works.state = State::Provisioning;
    works.spec.listeners = vec![theirs()];
    let under_way = UnderWay::of(&attached().spec, &made().spec, &works).expect("it works");
    works.spec.listeners.push(more());
    let mut observed = observed(&asking(), present(works));
    let under_way = [(CloudName::new(CLOUD), under_way)];
    observed.unmet.under_way = under_way.into();
    let plan = plan_of(&asking(), &observed);
    let updates = kinds(&plan).into_iter().filter(|kind| kind == "Update");
    assert_eq!(updates.count(), 0, "{plan:#?}");
}
