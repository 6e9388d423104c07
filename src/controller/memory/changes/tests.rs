use super::*;
use crate::telemetry::{OBJECTIVE, PendingServices};

const LATE: Duration = Duration::from_secs(61);
const SPEC: SpecHash = SpecHash::for_test(1);
const EDITED: SpecHash = SpecHash::for_test(2);

fn clouds<const N: usize>(names: [&str; N]) -> BTreeSet<CloudName> {
    names.map(CloudName::new).into()
}

fn uid() -> ServiceUid {
    ServiceUid::new("uid")
}

fn missing(cloud: &str, change: Change, age: Duration) -> Missing {
    Missing {
        cloud: CloudName::new(cloud),
        change,
        age,
        is_owners: false,
    }
}

fn refused(cloud: &str, change: Change, age: Duration) -> Missing {
    Missing {
        is_owners: true,
        ..missing(cloud, change, age)
    }
}

/// Records an attempt at a Service that names cloud1 and cloud2.
fn record<const N: usize>(
    changes: &PendingChanges,
    spec_hash: SpecHash,
    missing: [Missing; N],
) -> Vec<(String, Change, Duration)> {
    let progress = Progress {
        spec_hash,
        wanted: &clouds(["cloud1", "cloud2"]),
        missing: missing.into(),
        is_started: true,
        is_unclear: false,
    };
    let reached = changes.record(&uid(), progress).into_iter();
    reached
        .map(|reached| (reached.cloud.to_string(), reached.change, reached.took))
        .collect()
}

/// The state of cloud1, then of cloud2, then of all others.
fn summary(changes: &PendingChanges) -> Vec<CloudChanges> {
    changes.summarize(&["cloud1", "cloud2"].map(CloudName::new))
}

fn at(changes: &PendingChanges, cloud: usize, change: Change) -> PendingServices {
    summary(changes)[cloud].of(change)
}

#[tokio::test(start_paused = true)]
async fn each_cloud_is_measured_by_its_own_address() {
    use Change::Create;
    let changes = PendingChanges::default();
    tokio::time::advance(LATE).await;
    let both = ["cloud1", "cloud2"].map(|cloud| missing(cloud, Create, LATE));
    assert!(record(&changes, SPEC, both).is_empty());
    let reached = record(&changes, SPEC, [missing("cloud2", Create, LATE)]);
    assert_eq!(reached, [("cloud1".into(), Create, LATE)]);
    assert_eq!(at(&changes, 0, Create), PendingServices::default());
    assert_eq!(at(&changes, 1, Create).overdue, 1);
    let reached = record(&changes, SPEC, []);
    assert_eq!(reached, [("cloud2".into(), Create, LATE)], "each once");
    assert!(changes.known(&uid()).is_none(), "nothing is kept");
}

#[tokio::test(start_paused = true)]
async fn a_change_becomes_overdue_and_keeps_its_age_until_it_is_made() {
    let changes = PendingChanges::default();
    tokio::time::advance(Duration::from_secs(1000)).await;
    for change in Change::ALL {
        // Another leader has waited for it before.
        let waited = change.limit() - Duration::from_secs(1);
        record(&changes, SPEC, [missing("cloud1", change, waited)]);
        let expected = |overdue, oldest| PendingServices {
            pending: 1,
            overdue,
            oldest,
        };
        assert_eq!(at(&changes, 0, change), expected(0, waited), "{change:?}");
        let more = Duration::from_secs(2);
        tokio::time::advance(more).await;
        // An edit of a change that waits for us begins no other wait.
        record(
            &changes,
            EDITED,
            [missing("cloud1", change, Duration::ZERO)],
        );
        let age = waited + more;
        assert_eq!(at(&changes, 0, change), expected(1, age), "{change:?}");
        changes.forget(&uid());
        assert_eq!(summary(&changes), [CloudChanges::default(); 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_the_owner_is_pending_and_neither_overdue_nor_late() {
    use Change::Create;
    let changes = PendingChanges::default();
    tokio::time::advance(LATE).await;
    let both = [
        refused("cloud1", Create, LATE),
        missing("cloud2", Create, LATE),
    ];
    record(&changes, SPEC, both);
    let expected = [
        PendingServices {
            pending: 1,
            overdue: 0,
            oldest: Duration::ZERO,
        },
        PendingServices {
            pending: 1,
            overdue: 1,
            oldest: LATE,
        },
    ];
    let summary = summary(&changes);
    assert_eq!(
        [summary[0], summary[1]].map(|cloud| cloud.of(Create)),
        expected
    );
    assert_eq!(
        [summary[0], summary[1]].map(|cloud| cloud.newly_late),
        [0, 1]
    );
    // The cloud hangs between two refusals.
    record(&changes, SPEC, [missing("cloud1", Create, LATE)]);
    assert_eq!(at(&changes, 0, Create).overdue, 0, "still the owner's");
    record(
        &changes,
        EDITED,
        [missing("cloud1", Create, Duration::ZERO)],
    );
    assert_eq!(at(&changes, 0, Create).overdue, 0, "asked for anew");
    tokio::time::advance(LATE).await;
    assert_eq!(at(&changes, 0, Create).overdue, 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_is_late_once() {
    let changes = PendingChanges::default();
    let create = || missing("cloud1", Change::Create, Duration::ZERO);
    record(&changes, SPEC, [create()]);
    tokio::time::advance(OBJECTIVE).await;
    let newly_late = || summary(&changes)[0].newly_late;
    assert_eq!(newly_late(), 0, "in time");
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(newly_late(), 1);
    record(&changes, EDITED, [create()]);
    assert_eq!(newly_late(), 0, "counted before");
    let progress = Progress {
        spec_hash: EDITED,
        wanted: &clouds(["cloud1"]),
        missing: Vec::new(),
        is_started: true,
        is_unclear: false,
    };
    let reached = changes.record(&uid(), progress);
    assert!(reached[0].is_late, "and not when it has its address");
}

#[tokio::test(start_paused = true)]
async fn one_change_ends_and_another_begins() {
    use Change::{Create, Delete, Edit, Move, Repair};
    let cases = [
        (
            Create,
            Delete,
            true,
            "deleted while it waits for its address",
        ),
        (Delete, Edit, true, "managed again before it was released"),
        (Repair, Edit, true, "edited while it is repaired"),
        (Edit, Repair, false, "the same edit fails again"),
        (Move, Edit, false, "edited while it moves"),
        (Create, Edit, false, "edited while it waits for its address"),
    ];
    for (before, after, is_other, why) in cases {
        let changes = PendingChanges::default();
        record(&changes, SPEC, [missing("cloud1", before, LATE)]);
        record(&changes, SPEC, [missing("cloud1", after, Duration::ZERO)]);
        let (change, age) = if is_other {
            (after, Duration::ZERO)
        } else {
            (before, LATE)
        };
        let found = at(&changes, 0, change);
        assert_eq!((found.pending, found.oldest), (1, age), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_an_edit_takes_out_of_the_service_has_not_got_the_change() {
    let changes = PendingChanges::default();
    record(&changes, SPEC, [missing("cloud3", Change::Move, LATE)]);
    assert!(record(&changes, EDITED, []).is_empty(), "back to cloud1");
}

#[tokio::test(start_paused = true)]
async fn clouds_that_left_the_configuration_are_counted_together() {
    let changes = PendingChanges::default();
    let left = ["gone", "forged"].map(|cloud| missing(cloud, Change::Delete, LATE));
    record(&changes, SPEC, left);
    let summary = summary(&changes);
    assert_eq!(summary[2].of(Change::Delete).pending, 2);
    assert_eq!(summary[..2], [CloudChanges::default(); 2]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_waits_for_a_place_ages() {
    let changes = PendingChanges::default();
    let edit = || vec![missing("cloud1", Change::Edit, Duration::ZERO)];
    changes.record_wait(&uid(), SPEC, Vec::new());
    assert!(changes.known(&uid()).is_none(), "nothing is missing");
    changes.record_wait(&uid(), SPEC, edit());
    tokio::time::advance(LATE).await;
    changes.record_wait(&uid(), SPEC, edit());
    assert_eq!(at(&changes, 0, Change::Edit).oldest, LATE);
    assert_eq!(
        record(&changes, SPEC, []),
        [("cloud1".into(), Change::Edit, LATE)]
    );
}

/// 10,000 Services may wait at a takeover.
#[test]
fn a_pending_change_is_small() {
    assert!(size_of::<Pending>() <= 32 && size_of::<PendingChange>() <= 40);
}
