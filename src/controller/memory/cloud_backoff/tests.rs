use std::time::Duration;

use super::*;
use crate::cloud::{CloudError, ErrorKind, Operation, Verb};
use crate::controller::memory::left_calls::Tried;
use crate::kubernetes::KubernetesError;
use crate::plan::kept::Unmet;
use crate::plan::record::Record;
use crate::plan::{Backends, CloudView};

const SPEC: SpecHash = SpecHash::for_test(1);
const NODES: u64 = 1;

fn cloud(number: u8) -> CloudName {
    CloudName::new(format!("cloud{number}"))
}

fn failed(number: u8, kind: ErrorKind) -> ReconcileError {
    failed_to(Verb::Create, number, kind)
}

fn failed_to(verb: Verb, number: u8, kind: ErrorKind) -> ReconcileError {
    let cloud = cloud(number);
    CloudError::new(Operation { cloud, verb }, kind, "500").into()
}

fn down(number: u8) -> ReconcileError {
    failed(number, ErrorKind::Unavailable { retry_after: None })
}

fn observed(views: [CloudView; 2]) -> Observed {
    let views = views.into_iter().zip(1..);
    Observed {
        finalizer: true,
        record: Record::default(),
        ingress: Vec::new(),
        modes: Default::default(),
        clouds: views.map(|(view, number)| (cloud(number), view)).collect(),
        backends: Backends::default(),
        unmet: Unmet::default(),
    }
}

struct Test {
    backoff: CloudBackoff,
    uid: ServiceUid,
}

impl Test {
    fn new() -> Self {
        Self {
            backoff: CloudBackoff::default(),
            uid: ServiceUid::new("u"),
        }
    }

    /// Records an attempt; returns the shortest delay of a failure, and that of a rest.
    fn record(
        &self,
        views: [CloudView; 2],
        errors: Vec<ReconcileError>,
    ) -> (Option<f64>, Option<f64>) {
        self.record_waiting(views, errors, &BTreeSet::new())
    }

    fn record_waiting(
        &self,
        views: [CloudView; 2],
        errors: Vec<ReconcileError>,
        waiting: &BTreeSet<Waiting>,
    ) -> (Option<f64>, Option<f64>) {
        let attempted = Attempted {
            spec_hash: SPEC,
            nodes: NODES,
            observed: &observed(views),
            waiting,
        };
        let delays = self.backoff.record(&self.uid, attempted, errors);
        let failed = delays.iter().filter_map(|delay| match delay {
            Requeue::After(wait) => Some(wait.as_secs_f64()),
            _ => None,
        });
        let rests = delays.iter().filter_map(|delay| match delay {
            Requeue::Slot(wait) => Some(wait.as_secs_f64()),
            _ => None,
        });
        (failed.reduce(f64::min), rests.reduce(f64::min))
    }

    fn resting(&self) -> BTreeSet<CloudName> {
        self.backoff.resting(&self.uid, SPEC, NODES)
    }
}

fn is_about(wait: Option<f64>, seconds: f64) -> bool {
    wait.is_some_and(|wait| (0.8 * seconds..=seconds).contains(&wait))
}

const ABSENT: [CloudView; 2] = [CloudView::Absent, CloudView::Absent];
const ONE_RESTS: [CloudView; 2] = [CloudView::Unanswered, CloudView::Absent];

#[tokio::test(start_paused = true)]
async fn a_cloud_rests_by_its_own_count_whatever_the_other_does() {
    let test = Test::new();
    let mut first = None;
    for expected in [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0] {
        let (wait, _) = test.record(ABSENT, vec![down(1)]);
        assert!(is_about(wait, expected), "{wait:?} instead of {expected}");
        let wait = Duration::from_secs_f64(wait.unwrap_or_default());
        first.get_or_insert(wait);
        assert_eq!(test.resting(), BTreeSet::from([cloud(1)]));
        // The other one is polled, and fails once.
        let (_, rest) = test.record(ONE_RESTS, Vec::new());
        assert_eq!(rest, Some(wait.as_secs_f64()));
        let (failed, rest) = test.record(ONE_RESTS, vec![down(2)]);
        assert!(is_about(failed, 5.0), "{failed:?}");
        assert_eq!(rest, Some(wait.as_secs_f64()));
        test.record(ONE_RESTS, Vec::new());
        assert_eq!(test.resting(), BTreeSet::from([cloud(1)]));
        tokio::time::advance(wait).await;
        assert_eq!(test.resting(), BTreeSet::new());
    }
}

/// Nothing else would try it again.
#[tokio::test(start_paused = true)]
async fn a_cloud_whose_rest_ends_during_an_attempt_is_tried_after_it() {
    let test = Test::new();
    let (wait, _) = test.record(ABSENT, vec![down(1)]);
    let wait = Duration::from_secs_f64(wait.unwrap_or_default());
    assert_eq!(test.resting(), BTreeSet::from([cloud(1)]));
    tokio::time::advance(2 * wait).await;
    let (_, rest) = test.record(ONE_RESTS, Vec::new());
    assert_eq!(rest, Some(0.0));
    // The next attempt calls it, and is not repeated at once while it awaits the answer.
    assert_eq!(test.resting(), BTreeSet::new());
    let (_, rest) = test.record(ONE_RESTS, Vec::new());
    assert_eq!(rest, None);
}

#[tokio::test(start_paused = true)]
async fn a_count_lasts_until_the_cloud_was_called_with_success() {
    let no_write = || ReconcileError::from(KubernetesError::Rejected("no".into()));
    let slot = BTreeSet::from([Waiting::RepairSlot(cloud(1))]);
    let none = BTreeSet::new();
    let cases = [
        (ABSENT, vec![], &none, 5.0, "a success"),
        (ONE_RESTS, vec![], &none, 10.0, "its answer is awaited"),
        (ABSENT, vec![no_write()], &none, 10.0, "no write, no call"),
        (ABSENT, vec![], &slot, 10.0, "its repair waits for a slot"),
        (
            ABSENT,
            vec![failed(1, ErrorKind::Busy)],
            &none,
            10.0,
            "the call was not sent",
        ),
        (ABSENT, vec![down(2)], &none, 5.0, "only the other failed"),
    ];
    for (views, errors, waiting, expected, between) in cases {
        let test = Test::new();
        test.record(ABSENT, vec![down(1)]);
        tokio::time::advance(Duration::from_secs(5)).await;
        test.record_waiting(views, errors, waiting);
        let (wait, _) = test.record(ABSENT, vec![down(1)]);
        assert!(is_about(wait, expected), "{between}: {wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_ends_every_rest_and_other_nodes_only_that_of_an_update() {
    use crate::plan::load_balancer::LoadBalancer;
    use crate::plan::naming::LoadBalancerName;
    let test = Test::new();
    let found = LoadBalancer::plain("1", LoadBalancerName::new("one"), None);
    let found = CloudView::Present(Box::new(found));
    test.record([found, CloudView::Absent], vec![down(1), down(2)]);
    let resting = |spec, nodes| {
        let spec = SpecHash::for_test(spec);
        test.backoff.resting(&test.uid, spec, nodes)
    };
    assert_eq!(resting(1, NODES), BTreeSet::from([cloud(1), cloud(2)]));
    assert_eq!(resting(1, NODES + 1), BTreeSet::from([cloud(2)]));
    assert!(test.backoff.follows_nodes(&test.uid, SPEC));
    assert_eq!(resting(2, NODES), BTreeSet::new());
    test.record(ABSENT, vec![down(1), down(2)]);
    assert!(!test.backoff.follows_nodes(&test.uid, SPEC));
}

#[tokio::test(start_paused = true)]
async fn other_nodes_end_the_rest_of_an_update_that_was_left_behind() {
    let test = Test::new();
    let unavailable = ErrorKind::Unavailable { retry_after: None };
    for (verb, expected) in [(Verb::Update, true), (Verb::Query, false)] {
        let error = failed_to(verb, 1, unavailable);
        test.record([CloudView::Unreachable, CloudView::Absent], vec![error]);
        assert_eq!(test.resting(), BTreeSet::from([cloud(1)]));
        let resting = test.backoff.resting(&test.uid, SPEC, NODES + 1);
        assert_eq!(resting.is_empty(), expected, "{verb:?}");
        assert_eq!(
            test.backoff.follows_nodes(&test.uid, SPEC),
            expected,
            "{verb:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_requested_delay_is_kept_and_the_failure_is_told_meanwhile() {
    let test = Test::new();
    let retry_after = Some(Duration::from_secs(77));
    let throttled = failed(1, ErrorKind::Throttled { retry_after });
    let (wait, _) = test.record(ABSENT, vec![throttled]);
    assert_eq!(wait, Some(77.0));
    let failures = |spec, views| test.backoff.failures(&test.uid, spec, &observed(views));
    let told = failures(SPEC, ONE_RESTS);
    assert!(matches!(&told[..], [error] if error.cloud() == Some(&cloud(1))));
    assert!(failures(SPEC, ABSENT).is_empty(), "it was called");
    let edited = SpecHash::for_test(2);
    assert!(failures(edited, ONE_RESTS).is_empty(), "it was edited");
}

/// Nodes that change faster than a cloud fails leave nothing else to count.
#[tokio::test(start_paused = true)]
async fn an_update_that_failed_for_other_nodes_counts_and_makes_no_rest() {
    let outdated = |spec, kind| {
        let tried = Tried {
            spec_hash: SpecHash::for_test(spec),
            nodes: NODES - 1,
        };
        OutdatedFailure {
            error: failed_to(Verb::Update, 1, kind),
            tried,
        }
    };
    let down = ErrorKind::Unavailable { retry_after: None };
    let test = Test::new();
    for _ in 0..3 {
        test.backoff.count(&test.uid, SPEC, outdated(1, down));
        assert_eq!(test.resting(), BTreeSet::new(), "others were tried");
        // That of the newest Nodes is left behind, too.
        let (wait, rest) = test.record(ONE_RESTS, Vec::new());
        assert_eq!((wait, rest), (None, None));
        let observed = observed(ONE_RESTS);
        let told = test.backoff.failures(&test.uid, SPEC, &observed);
        assert_eq!(told.len(), 1, "it is explained");
        assert!(test.backoff.follows_nodes(&test.uid, SPEC));
    }
    let failed = failed_to(Verb::Update, 1, down);
    let (wait, _) = test.record(ABSENT, vec![failed]);
    assert!(is_about(wait, 40.0), "the fourth in a row: {wait:?}");

    let cases = [
        (outdated(2, down), "of before an edit"),
        (outdated(1, ErrorKind::NotFound), "the query tells more"),
    ];
    for (failure, why) in cases {
        let test = Test::new();
        test.backoff.count(&test.uid, SPEC, failure);
        let observed = observed(ONE_RESTS);
        let told = test.backoff.failures(&test.uid, SPEC, &observed);
        assert!(told.is_empty(), "{why}");
    }
}

#[test]
fn what_the_next_query_or_replica_resolves_makes_no_cloud_rest() {
    let test = Test::new();
    for kind in [
        ErrorKind::Busy,
        ErrorKind::NotFound,
        ErrorKind::Conflict,
        ErrorKind::LeadershipLost,
    ] {
        let failed = failed_to(Verb::Update, 1, kind);
        let (wait, rest) = test.record(ABSENT, vec![failed]);
        assert_eq!((wait, rest), (None, None), "{kind:?}");
        assert_eq!(test.resting(), BTreeSet::new());
    }
}
