//! The back ends while the watch is behind or ahead of a live list.

use std::convert::Infallible;

use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

/// A Node whose address ends in its number.
fn node(number: u8) -> Node {
    serde_json::from_value(json(number)).expect("a Node")
}

fn json(number: u8) -> Value {
    json!({
        "metadata": {"name": format!("n{number}")},
        "status": {"addresses": [{"type": "InternalIP", "address": format!("10.0.0.{number}")}]},
    })
}

/// The result for these watched Nodes and this live list, after three Nodes before;
/// `live` is `None` for an API server that fails.
async fn result_of(watched: &[u8], live: Option<&[u8]>) -> (NodeSet, bool) {
    let (store, mut writer) = reflector::store();
    for number in watched {
        writer.apply_watcher_event(&watcher::Event::Apply(node(*number)));
    }
    let (code, answer) = match live {
        Some(live) => {
            let nodes: Vec<Value> = live.iter().copied().map(json).collect();
            (200, json!({"metadata": {}, "items": nodes}))
        }
        None => (500, json!({})),
    };
    let body = serde_json::to_vec(&answer).expect("JSON");
    let list = tower::service_fn(move |_: Request<Body>| {
        let answer = Response::builder().status(code);
        let answer = answer.body(Body::from(body.clone())).expect("an answer");
        async move { Ok::<_, Infallible>(answer) }
    });
    let three = [1, 2, 3].map(node);
    let before = NodeSet {
        version: 1,
        ..node_set(three.iter(), NodeAddressType::Internal)
    };
    let api = Api::all(Client::new(list, "default"));
    confirmed_set(&store, NodeAddressType::Internal, &api, &before).await
}

#[tokio::test(start_paused = true)]
async fn the_loss_of_most_nodes_must_be_confirmed_by_a_live_list() {
    type Case = (
        &'static [u8],
        Option<&'static [u8]>,
        usize,
        bool,
        &'static str,
    );
    let cases: [Case; 6] = [
        (
            &[1, 2],
            None,
            2,
            true,
            "one of three disappeared: no list is needed",
        ),
        (
            &[1],
            Some(&[1]),
            1,
            true,
            "two of three disappeared, and the live list confirms it",
        ),
        (&[1], Some(&[1, 2, 3]), 3, false, "the watch is behind"),
        (&[1], None, 3, false, "the list fails"),
        (
            &[],
            Some(&[]),
            0,
            true,
            "all disappeared, and the live list confirms it",
        ),
        (&[], Some(&[1]), 3, false, "the live list has one Node"),
    ];
    for (watched, live, count, is_sure, why) in cases {
        let (set, confirmed) = result_of(watched, live).await;
        assert_eq!(set.backends.addresses.len(), count, "{why}");
        assert_eq!(confirmed, is_sure, "{why}");
        let none = set.backends.addresses.is_empty();
        assert_eq!(set.backends.none_confirmed, none, "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn changes_that_never_pause_are_taken_over_all_the_same() {
    let changed = Notify::new();
    let began = Instant::now();
    let changes = async {
        loop {
            sleep(QUIET / 2).await;
            changed.notify_one();
        }
    };
    let waited = timeout(2 * MAX_DELAY, async {
        tokio::select! {
            () = quiet_period(&changed) => {}
            () = changes => {}
        }
    });
    assert!(waited.await.is_ok(), "the wait has a limit");
    assert!(began.elapsed() < MAX_DELAY + QUIET);
}
