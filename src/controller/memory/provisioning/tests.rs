use super::*;

const LATE: Duration = Duration::from_secs(61);

fn clouds<const N: usize>(names: [&str; N]) -> BTreeSet<CloudName> {
    names.map(CloudName::new).into()
}

fn uid() -> ServiceUid {
    ServiceUid::new("uid")
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

/// Records that these clouds have not served the Service.
fn waits(
    clock: &ProvisioningClock,
    outstanding: BTreeSet<CloudName>,
    requested_at: Timestamp,
    waited: Duration,
) {
    let newly_served = clock.progress(&uid(), &BTreeSet::new(), outstanding, requested_at, waited);
    assert!(newly_served.is_empty());
}

fn at(clock: &ProvisioningClock, cloud: &str) -> PendingServices {
    clock.pending_at(&CloudName::new(cloud))
}

#[tokio::test(start_paused = true)]
async fn each_cloud_is_measured_by_its_own_address() {
    let clock = ProvisioningClock::default();
    tokio::time::advance(LATE).await;
    let (first, second_cloud) = (clouds(["cloud1"]), clouds(["cloud2"]));
    let both = &first | &second_cloud;
    let newly_served = clock.progress(&uid(), &first, second_cloud.clone(), second(0), LATE);
    assert_eq!(newly_served, first);
    assert_eq!(at(&clock, "cloud1").overdue, 0);
    assert_eq!(at(&clock, "cloud2").overdue, 1);
    // The one of cloud1 was deleted by hand.
    waits(&clock, both.clone(), second(0), LATE);
    assert_eq!(at(&clock, "cloud1").overdue, 0, "cloud1 has served already");
    let newly_served = clock.progress(&uid(), &both, BTreeSet::new(), second(0), LATE);
    assert_eq!(newly_served, second_cloud, "each is measured once");
    for cloud in ["cloud1", "cloud2"] {
        assert_eq!(at(&clock, cloud), PendingServices::default(), "{cloud}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_gets_its_address_becomes_overdue() {
    let clock = ProvisioningClock::default();
    tokio::time::advance(Duration::from_secs(100)).await;
    // Another leader has waited for it before.
    let waited = Duration::from_secs(50);
    waits(&clock, clouds(["cloud1"]), second(0), waited);
    let expected = |overdue, oldest| PendingServices {
        pending: 1,
        overdue,
        oldest: Duration::from_secs(oldest),
    };
    assert_eq!(at(&clock, "cloud1"), expected(0, 50));
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(at(&clock, "cloud1"), expected(1, 61));
    let served = clouds(["cloud1"]);
    let newly_served = clock.progress(&uid(), &served, BTreeSet::new(), second(0), LATE);
    assert_eq!(newly_served, served);
    assert_eq!(at(&clock, "cloud1"), PendingServices::default());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_waits_for_its_owner_is_pending_and_not_overdue() {
    let clock = ProvisioningClock::default();
    tokio::time::advance(LATE).await;
    let cases = [
        (None, 1, "no cloud refused"),
        (
            Some(Reason::Quota),
            0,
            "the owner has to act for cloud1 only",
        ),
        (Some(Reason::CloudFailed), 1, "the cloud failed"),
    ];
    for (reason, here, why) in cases {
        waits(&clock, clouds(["cloud1", "cloud2"]), second(0), LATE);
        if let Some(reason) = reason {
            clock.refused(&uid(), &CloudName::new("cloud1"), reason);
        }
        assert_eq!(at(&clock, "cloud1").overdue, here, "{why}");
        assert_eq!(at(&clock, "cloud2").overdue, 1, "{why}");
        assert_eq!(at(&clock, "cloud1").pending, 1, "{why}");
    }
}

#[test]
fn an_edit_restarts_the_clock_only_of_a_refused_service() {
    let clock = ProvisioningClock::default();
    let waited = Duration::from_secs(50);
    let (first, edited) = (second(10), second(60));
    let requested_at = |recorded| clock.requested_at(&uid(), recorded);
    assert_eq!(requested_at(first), first);
    waits(&clock, clouds(["cloud1"]), first, waited);
    assert_eq!(requested_at(edited), first, "the Service waits");
    clock.refused(&uid(), &CloudName::new("cloud1"), Reason::Quota);
    assert_eq!(requested_at(first), first, "as the object shows");
    assert_eq!(requested_at(edited), edited, "the cause was corrected");
    waits(&clock, clouds(["cloud1"]), first, waited);
    clock.forget(&uid());
    assert_eq!(requested_at(edited), edited, "another request");
}
