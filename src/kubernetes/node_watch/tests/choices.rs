//! The sets of Services that choose their Nodes.

use super::*;
use crate::plan::node_selector::NodeSelector;
use crate::telemetry::captured_logs::CapturedLogs;

fn choice(selector: &str) -> NodeChoice {
    NodeChoice {
        selector: NodeSelector::parse(selector).expect("a selector"),
        address_type: None,
    }
}

#[tokio::test(start_paused = true)]
async fn each_choice_has_its_set_which_follows_the_labels() {
    let mut cluster = Cluster::with_three_nodes().await;
    tokio::time::advance(2 * MOST_GONE_HOLD).await;
    let (edge, none) = (choice("pool=edge"), choice("pool=egde"));
    cluster.choices.extend([edge.clone(), none.clone()]);
    for number in [1, 2] {
        cluster.apply(labelled(number, &[("pool", "edge")]));
    }
    cluster.look().await;
    assert_eq!(cluster.addresses(&edge), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(cluster.set(&edge).v4.unsettled, None, "it began later");
    assert_eq!(cluster.set(&edge).eligible, 2);
    assert!(cluster.set(&none).v4.never_matched);
    let versions = [&edge, &none, &NodeChoice::default()].map(|one| cluster.set(one).version);

    cluster.apply(labelled(2, &[("pool", "core")]));
    cluster.look().await;
    assert_eq!(cluster.addresses(&edge), ["10.0.0.1"]);
    let now = [&edge, &none, &NodeChoice::default()].map(|one| cluster.set(one).version);
    assert!(now[0] > versions[0] && now[1..] == versions[1..], "{now:?}");

    // All of them at once: held.
    cluster.apply(labelled(1, &[("pool", "core")]));
    cluster.show(&[1, 2, 3], Some(&[1, 2, 3]));
    cluster.look().await;
    assert_eq!(cluster.count(&edge), (0, false), "kept");
    tokio::time::advance(2 * GRACE).await;
    cluster.look().await;
    assert_eq!(cluster.count(&edge), (0, true), "it has lasted");
    assert_eq!(cluster.count(&none), (0, false), "a mistake");

    // A set that nobody asks for is dropped.
    cluster.choices.remove(&edge);
    cluster.look().await;
    assert_eq!(cluster.before.len(), 2);
}

/// A set in doubt delays no other.
#[tokio::test(start_paused = true)]
async fn a_loss_that_is_not_confirmed_keeps_its_set_alone() {
    let mut cluster = Cluster::with_three_nodes().await;
    let edge = choice("pool=edge");
    cluster.choices.insert(edge.clone());
    for number in [1, 2, 3] {
        cluster.apply(labelled(number, &[("pool", "edge")]));
    }
    cluster.look().await;
    for number in [1, 2, 3, 4] {
        cluster.apply(labelled(number, &[]));
    }
    // The live list fails.
    *cluster.live.lock().expect("a lock") = None;
    assert_eq!(cluster.look().await, Some(MAX_DELAY));
    assert_eq!(cluster.addresses(&edge).len(), 3, "not confirmed");
    assert_eq!(cluster.addresses(&NodeChoice::default()).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_service_may_choose_the_other_type_of_address() {
    let mut cluster = Cluster::with_three_nodes().await;
    let external = NodeChoice {
        address_type: Some(NodeAddressType::External),
        ..NodeChoice::default()
    };
    let internal = NodeChoice {
        address_type: Some(NodeAddressType::Internal),
        ..NodeChoice::default()
    };
    let mut node = json(1);
    let more = json!({"type": "ExternalIP", "address": "192.0.2.1"});
    let addresses = node["status"]["addresses"].as_array_mut();
    addresses.expect("addresses").push(more);
    cluster.apply(serde_json::from_value(node).expect("a Node"));
    cluster.choices.extend([external.clone(), internal.clone()]);
    cluster.look().await;
    assert_eq!(cluster.addresses(&external), ["192.0.2.1"]);
    assert_eq!(cluster.addresses(&internal).len(), 3);
    assert_eq!(cluster.before.len(), 2, "internal is the configuration's");
}

#[tokio::test(start_paused = true)]
async fn labels_that_are_not_kept_are_unknown_and_nothing_is_taken_away() {
    let mut cluster = Cluster::with_three_nodes().await;
    let edge = choice("pool=edge");
    let keys = cluster.judge.keys([edge.clone()].into(), false);
    assert!(keys.is_empty(), "it cannot be told");
    let mut bare = labelled(1, &[("pool", "edge")]);
    bare.drop_labels();
    cluster.choices.insert(edge.clone());
    cluster.apply(bare);
    cluster.look().await;
    assert!(cluster.set(&edge).v4.some_unknown);
    assert!(!cluster.all().v4.some_unknown);
}

#[test]
fn a_list_has_the_labels_of_all_nodes_or_of_none() {
    use watcher::Event;
    let (needed, mut watched) = watch::channel(false);
    let keeps = AtomicBool::new(false);
    let mut has_labels = |event: Event<Node>| {
        let mut event = Ok(event);
        trim(&mut event, &mut watched, &keeps);
        match event {
            Ok(Event::Apply(node) | Event::InitApply(node)) => node.labels().is_some(),
            _ => false,
        }
    };
    has_labels(Event::Init);
    assert!(!has_labels(Event::InitApply(node(1))));
    needed.send_replace(true);
    assert!(!has_labels(Event::InitApply(node(2))), "as the first");
    has_labels(Event::InitDone);
    assert!(!has_labels(Event::Apply(node(1))));
    has_labels(Event::Init);
    assert!(has_labels(Event::InitApply(node(1))));
    assert!(has_labels(Event::Apply(node(2))));
}

/// Nothing is unknown, which would keep the back ends of all load balancers from leaving.
#[tokio::test(start_paused = true)]
async fn a_node_with_countless_labels_is_selected_by_no_service() {
    let (lines, _guard) = CapturedLogs::collect();
    let mut cluster = Cluster::with_three_nodes().await;
    let (pool, outside) = (choice("pool=edge"), choice("!quarantine"));
    cluster.choices.extend([pool.clone(), outside.clone()]);
    let mut json = json(2);
    let many = (0..20_000).map(|index| (format!("a-{index:0>60}"), json!("x")));
    json["metadata"]["labels"] = Value::Object(many.collect());
    for name in ["pool", "quarantine"] {
        json["metadata"]["labels"][name] = json!("edge");
    }
    cluster.apply(labelled(1, &[("pool", "edge")]));
    cluster.apply(serde_json::from_value(json).expect("a Node"));
    cluster.look().await;
    assert_eq!(cluster.addresses(&pool), ["10.0.0.1"]);
    assert_eq!(cluster.addresses(&outside), ["10.0.0.1", "10.0.0.3"]);
    assert_eq!(cluster.addresses(&NodeChoice::default()).len(), 3);
    assert!(!cluster.set(&pool).v4.some_unknown);
    let lines = lines.taken();
    let named = lines.iter().filter(|line| line.contains("metadata.labels"));
    assert_eq!(named.count(), 1, "{lines:?}");
}
