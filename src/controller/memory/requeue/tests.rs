use super::*;

const SPEC: SpecHash = SpecHash::for_test(1);
/// An attempt for a Service with a load balancer.
const INPUT: AttemptInput = AttemptInput {
    spec_hash: SPEC,
    nodes: 1,
    follows_nodes: true,
};

fn one(delay: Requeue) -> impl Iterator<Item = Requeue> {
    std::iter::once(delay)
}

#[tokio::test(start_paused = true)]
async fn backoff_doubles_to_its_limit_and_a_success_or_an_edit_ends_it() {
    let policy = RequeuePolicy::default();
    let uid = ServiceUid::new("u");
    for expected in [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0] {
        let wait = policy
            .schedule(&uid, INPUT, one(Requeue::Backoff))
            .expect("a delay")
            .as_secs_f64();
        assert!(
            (0.8 * expected..=expected).contains(&wait),
            "{wait} instead of {expected}"
        );
    }
    assert!(policy.remaining(&uid, SPEC, 1).is_some());
    assert!(
        policy.remaining(&uid, SPEC, 2).is_none(),
        "a change of the Nodes ends the delay"
    );
    assert!(
        policy.remaining(&uid, SpecHash::for_test(2), 1).is_none(),
        "an edit ends the delay"
    );
    assert_eq!(policy.attempts(&uid, SPEC), 0, "and resets the count");
    policy.schedule(&uid, INPUT, one(Requeue::Backoff));
    policy.schedule(&uid, INPUT, one(Requeue::AwaitChange));
    assert!(
        policy.remaining(&uid, SPEC, 1).is_none(),
        "a success ends the delay"
    );
}

/// Else a cloud that never answers in time would be called again and again without a backoff.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_awaits_an_answer_keeps_the_count_of_failures() {
    let policy = RequeuePolicy::default();
    let uid = ServiceUid::new("u");
    for attempts in 0..3 {
        assert_eq!(policy.attempts(&uid, SPEC), attempts);
        policy.schedule(&uid, INPUT, one(Requeue::Backoff));
        tokio::time::advance(BACKOFF_LIMIT).await;
        assert_eq!(
            policy.schedule(&uid, INPUT, one(Requeue::AwaitAnswer)),
            None
        );
        assert_eq!(policy.remaining(&uid, SPEC, 1), None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_awaits_an_answer_leaves_no_delay_of_before() {
    let policy = RequeuePolicy::default();
    let uid = ServiceUid::new("u");
    let without = AttemptInput {
        follows_nodes: false,
        ..INPUT
    };
    policy.schedule(&uid, without, one(Requeue::Backoff));
    // It has created a load balancer meanwhile, beside a call that is left behind.
    policy.schedule(&uid, INPUT, one(Requeue::AwaitAnswer));
    assert_eq!(policy.remaining(&uid, SPEC, 2), None, "its Nodes changed");
    assert_eq!(policy.remaining(&uid, SPEC, 1), None);
}

#[tokio::test(start_paused = true)]
async fn services_that_failed_together_are_retried_apart() {
    let policy = RequeuePolicy::default();
    let waits: HashSet<_> = (0..10)
        .map(|number| ServiceUid::new(format!("{number}")))
        .map(|uid| policy.schedule(&uid, INPUT, one(Requeue::Backoff)))
        .collect();
    assert!(waits.len() > 1, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn the_delay_of_one_service_does_not_delay_others() {
    let policy = RequeuePolicy::default();
    let (slow, other) = (ServiceUid::new("slow"), ServiceUid::new("other"));
    policy.schedule(&slow, INPUT, one(Requeue::Backoff));
    assert!(policy.remaining(&slow, SPEC, 1).is_some());
    assert!(policy.remaining(&other, SPEC, 1).is_none());
    assert_eq!(policy.attempts(&other, SPEC), 0);
}

#[test]
fn waits_that_only_a_change_can_end_are_not_retried() {
    use crate::plan::NotOurs;
    let cloud = || crate::plan::naming::CloudName::new("cloud1");
    let cases = [
        (
            Waiting::Invalid(Vec::new()),
            Requeue::AwaitChange,
            "an edit",
        ),
        (
            Waiting::NotOurs(NotOurs::NotEnabled),
            Requeue::AwaitChange,
            "an edit",
        ),
        (
            Waiting::CloudNotConfigured(cloud()),
            Requeue::AwaitChange,
            "a restart",
        ),
        (Waiting::NoEligibleNodes, Requeue::AwaitChange, "a Node"),
        (
            Waiting::Unanswered(cloud()),
            Requeue::AwaitAnswer,
            "the answer",
        ),
        (Waiting::Provisioning(cloud()), Requeue::Poll, "the cloud"),
        (
            Waiting::CloudUnreachable(cloud()),
            Requeue::Backoff,
            "the next try",
        ),
    ];
    for (waiting, delay, what) in cases {
        assert_eq!(
            Requeue::after_waiting(&waiting),
            delay,
            "{waiting:?} waits for {what}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_requested_delay_is_kept_exactly() {
    let policy = RequeuePolicy::default();
    let uid = ServiceUid::new("u");
    let wait = Duration::from_secs(7);
    assert_eq!(
        policy.schedule(&uid, INPUT, one(Requeue::After(wait))),
        Some(wait)
    );
    tokio::time::advance(Duration::from_millis(6_999)).await;
    assert!(policy.remaining(&uid, SPEC, 1).is_some());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(policy.remaining(&uid, SPEC, 1).is_none());
}

#[tokio::test(start_paused = true)]
async fn of_several_delays_the_shortest_counts_and_a_conflict_shortens_none() {
    use Requeue::{After, AwaitChange, Backoff, Immediately, Poll, Slot};
    let minute = Duration::from_secs(60);
    let cases: [(&[Requeue], _, _); 8] = [
        (&[Immediately, AwaitChange], Some(20), "nothing failed"),
        (
            &[Immediately, Backoff],
            Some(5_000),
            "a cloud failed, then a write conflicted",
        ),
        (
            &[After(minute), Backoff],
            Some(5_000),
            "two clouds, one requests a minute",
        ),
        (
            &[After(minute), Poll],
            Some(1_000),
            "two clouds, one is working",
        ),
        (&[AwaitChange], None, "nothing is left to do"),
        (&[Slot(minute)], Some(60_000), "a repair waits for its slot"),
        (
            &[Slot(minute), Immediately],
            Some(20),
            "it waits, and a write of the rest conflicted",
        ),
        (
            &[Slot(minute), Backoff],
            Some(5_000),
            "it waits, and another cloud failed",
        ),
    ];
    for (delays, expected, reason) in cases {
        let wait =
            RequeuePolicy::default().schedule(&ServiceUid::new("u"), INPUT, delays.iter().copied());
        let longest = expected.map(Duration::from_millis);
        assert!(
            wait <= longest && wait >= longest.map(|longest| longest.mul_f64(0.8)),
            "{reason}: {wait:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn conflicts_without_end_are_backed_off_and_do_not_count_as_failures() {
    let policy = RequeuePolicy::default();
    let uid = ServiceUid::new("u");
    let mut expected = IMMEDIATELY;
    for number in 0..20 {
        let wait = policy.schedule(&uid, INPUT, one(Requeue::Immediately));
        let wait = wait.expect("a delay");
        let longest = expected.min(BACKOFF_LIMIT);
        assert!(
            wait <= longest && wait >= longest.mul_f64(0.8),
            "{number}: {wait:?}"
        );
        expected *= 2;
    }
    assert_eq!(policy.attempts(&uid, SPEC), 0);
    policy.schedule(&uid, INPUT, one(Requeue::AwaitChange));
    let wait = policy.schedule(&uid, INPUT, one(Requeue::Immediately));
    assert!(
        wait <= Some(IMMEDIATELY),
        "a success ends the series: {wait:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_change_does_not_lift_the_delay_of_a_create() {
    let policy = RequeuePolicy::default();
    let (create, update) = (ServiceUid::new("create"), ServiceUid::new("update"));
    let without = AttemptInput {
        follows_nodes: false,
        ..INPUT
    };
    policy.schedule(&create, without, one(Requeue::Backoff));
    policy.schedule(&update, INPUT, one(Requeue::Backoff));
    assert!(policy.remaining(&create, SPEC, 2).is_some());
    assert!(policy.remaining(&update, SPEC, 2).is_none());
}

#[test]
fn looking_again_does_not_shorten_the_backoff_of_a_failed_call() {
    use Requeue::{Backoff, Immediately, Poll};
    let failed = |cloud: &str| {
        let operation = crate::cloud::Operation {
            cloud: CloudName::new(cloud),
            verb: crate::cloud::Verb::Create,
        };
        let kind = ErrorKind::Unavailable { retry_after: None };
        ReconcileError::from(crate::cloud::CloudError::new(operation, kind, "500"))
    };
    let provisioning = |cloud: &str| Waiting::Provisioning(CloudName::new(cloud));
    let rejected = || ReconcileError::from(KubernetesError::Rejected("no".into()));
    let cases = [
        (vec![failed("cloud1")], vec!["cloud1"], vec![], "it fails"),
        (
            vec![failed("cloud1")],
            vec!["cloud1", "cloud2"],
            vec![Poll],
            "the other cloud is working",
        ),
        (
            vec![rejected()],
            vec!["cloud1", "cloud2"],
            vec![Backoff],
            "the write to the Service fails for all clouds",
        ),
        (
            vec![ReconcileError::Changed],
            vec!["cloud1"],
            vec![Immediately, Poll],
            "nothing failed",
        ),
        (vec![], vec!["cloud1"], vec![Poll], "the cloud is working"),
    ];
    for (errors, waiting, expected, reason) in cases {
        let waiting = waiting.into_iter().map(provisioning).collect();
        let delays = |has_restored| Requeue::of_attempt(&errors, &waiting, has_restored);
        let after: Vec<_> = delays(false).collect();
        assert_eq!(after, expected, "{reason}");
        let after_restore: Vec<_> = delays(true).collect();
        let counts = after_restore.contains(&Requeue::Restore);
        let has_failed = errors.iter().any(|error| !error.is_superseded());
        assert_eq!(counts, !has_failed, "{reason}, and a restore");
    }
}

#[tokio::test(start_paused = true)]
async fn no_wait_is_longer_than_a_clock_can_hold() {
    let policy = RequeuePolicy::default();
    let uid = ServiceUid::new("u");
    policy.schedule(&uid, INPUT, one(Requeue::After(Duration::MAX)));
    assert_eq!(policy.remaining(&uid, SPEC, 1), Some(LONGEST));
}

#[test]
fn a_failing_cloud_with_a_retry_after_of_zero_is_backed_off() {
    let failure = |seconds| {
        let kind = ErrorKind::Unavailable {
            retry_after: Some(Duration::from_secs(seconds)),
        };
        let operation = crate::cloud::Operation {
            cloud: crate::plan::naming::CloudName::new("cloud1"),
            verb: crate::cloud::Verb::Create,
        };
        crate::cloud::CloudError::new(operation, kind, "down").into()
    };
    assert_eq!(Requeue::after_error(&failure(0)), Requeue::Backoff);
    assert_eq!(
        Requeue::after_error(&failure(3)),
        Requeue::After(Duration::from_secs(3))
    );
}

#[test]
fn a_create_in_conflict_is_backed_off_and_another_call_looks_again() {
    let conflict = |verb| {
        let cloud = crate::plan::naming::CloudName::new("cloud1");
        let operation = crate::cloud::Operation { cloud, verb };
        crate::cloud::CloudError::new(operation, ErrorKind::Conflict, "in use").into()
    };
    let after = |verb| Requeue::after_error(&conflict(verb));
    assert_eq!(after(crate::cloud::Verb::Create), Requeue::Backoff);
    assert_eq!(after(crate::cloud::Verb::Update), Requeue::Poll);
}
