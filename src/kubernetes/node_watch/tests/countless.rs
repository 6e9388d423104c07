//! A kubelet that writes whatever it likes into its Node, as often as it likes.

use super::*;
use crate::telemetry::captured_logs::CapturedLogs;
use crate::telemetry::log_throttle::NAMED;

const MESSAGE: &str = "no cloud can reach";

/// A Node with this many link-local addresses, other ones in each round.
fn link_local(node: u8, count: usize, round: usize) -> Node {
    let mut json = json(node);
    let addresses = (0..count).map(|index| {
        let address = format!("fe80::{round:x}:{index:x}");
        json!({"type": "InternalIP", "address": address})
    });
    json["status"]["addresses"] = addresses.collect();
    serde_json::from_value(json).expect("a Node")
}

/// The lines that name unusable addresses, since the last call.
fn named(lines: &CapturedLogs) -> Vec<String> {
    let mut lines = lines.taken();
    lines.retain(|line| line.contains(MESSAGE));
    lines
}

#[tokio::test(start_paused = true)]
async fn a_node_with_countless_addresses_is_named_in_one_line() {
    let (lines, _guard) = CapturedLogs::collect();
    let mut cluster = Cluster::with_three_nodes().await;
    cluster.apply(link_local(9, 20_000, 0));
    cluster.look().await;
    let first = named(&lines);
    assert_eq!(first.len(), 1, "{} lines", first.len());
    assert!(first[0].contains("node=\"n9\""), "{first:?}");
    assert!(
        first[0].contains("fe80::, fe80::1, fe80::2 and 61 more"),
        "{first:?}"
    );
    for round in 1..20 {
        cluster.apply(link_local(9, 20_000, round));
        cluster.look().await;
    }
    assert!(named(&lines).is_empty(), "it was named a moment ago");
    assert_eq!(cluster.all().unusable_addresses, 64);
    assert_eq!(cluster.addresses(&NodeChoice::default()).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn many_nodes_with_unusable_addresses_are_a_few_lines() {
    let (lines, _guard) = CapturedLogs::collect();
    let mut cluster = Cluster::with_three_nodes().await;
    for number in 10..200 {
        cluster.apply(link_local(number, 1, 0));
    }
    cluster.look().await;
    assert_eq!(named(&lines).len(), NAMED, "the others are counted");
}
