//! What a load balancer gets while the Nodes are not settled.

use super::*;

fn addresses(numbers: &[u8]) -> NodeAddresses {
    let address = |number: &u8| IpAddr::from([10, 0, 0, *number]);
    numbers.iter().map(address).collect()
}

#[test]
fn most_back_ends_stay_until_the_nodes_are_settled() {
    /// What the load balancer has, the Nodes that are seen, those that were deleted, and
    /// what it gets.
    type Case = (
        &'static str,
        &'static [u8],
        &'static [u8],
        &'static [u8],
        &'static [u8],
    );
    let cases: [Case; 13] = [
        ("nothing changes", &[1, 2], &[1, 2], &[], &[1, 2]),
        ("new ones join", &[1], &[1, 2, 3], &[], &[1, 2, 3]),
        ("it has none yet", &[], &[1, 2], &[], &[1, 2]),
        (
            "half is not more than half",
            &[1, 2, 3, 4],
            &[1, 2],
            &[],
            &[1, 2],
        ),
        ("half leave and others join", &[1, 2], &[2, 9], &[], &[2, 9]),
        ("most would go", &[1, 2, 3, 4], &[1], &[], &[1, 2, 3, 4]),
        ("all would go", &[1, 2, 3], &[9], &[], &[1, 2, 3, 9]),
        (
            "those that would go stay the majority",
            &[1, 2, 3, 4],
            &[7, 8, 9, 10, 11],
            &[],
            &[1, 2, 3, 4, 7, 8, 9],
        ),
        (
            "two would go: a new one serves",
            &[1, 2],
            &[8, 9],
            &[],
            &[1, 2, 8],
        ),
        ("a single one is replaced", &[1], &[2, 3], &[], &[2, 3]),
        ("deleted Nodes go", &[1, 2, 3], &[3], &[1, 2], &[3]),
        (
            "deleted Nodes alone go",
            &[1, 2, 3, 4],
            &[4],
            &[1],
            &[2, 3, 4],
        ),
        (
            "an address of a deleted Node is used again",
            &[1, 2, 3],
            &[1],
            &[1],
            &[1, 2, 3],
        ),
    ];
    for (reason, kept, seen, deleted, expected) in cases {
        let deleted = addresses(deleted);
        let seen = addresses(seen);
        let sent = Unsettled { deleted }.back_ends(&addresses(kept), &seen);
        assert_eq!(sent, addresses(expected), "{reason}");
    }
}

#[test]
fn what_does_not_change_shares_its_allocation() {
    let (kept, seen) = (addresses(&[1, 2, 3]), addresses(&[1]));
    let sent = Unsettled::default().back_ends(&kept, &seen);
    assert!(sent.is_shared_with(&kept));
}
