//! What others change on a load balancer while a Service is attached to it.

use super::*;
use crate::plan::existing::renewed;
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
