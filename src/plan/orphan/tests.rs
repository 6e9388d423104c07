//! Tables of suspects; each case states its reason.

use super::*;
use crate::plan::Capabilities;
use crate::plan::naming::{LoadBalancerName, ServiceUid};

fn owner(cluster: &str, namespace: &str, name: &str) -> Owner {
    Owner {
        cluster: ClusterId::new(cluster),
        namespace: namespace.into(),
        name: name.into(),
        uid: ServiceUid::new("uid"),
    }
}

fn ours() -> Owner {
    owner("ours", "default", "web")
}

fn found(id: &str, owner: &Owner) -> LoadBalancer {
    LoadBalancer::plain(id, owner.load_balancer_name(), Some(owner.clone()))
}

fn ids(ids: &[&str]) -> BTreeSet<LoadBalancerId> {
    ids.iter().map(LoadBalancerId::new).collect()
}

/// Why lb-1 on cloud1, beside the other load balancers there, is an orphan.
fn verdict(claim: Option<&Claim>, others: &[LoadBalancer]) -> Option<Suspicion> {
    let (cloud, found) = (CloudName::new("cloud1"), found("lb-1", &ours()));
    let shown = Shown::new(&cloud, others.iter().chain([&found]));
    suspect(&found, &ClusterId::new("ours"), claim, &shown)
}

#[test]
fn only_what_is_ours_by_every_proof_is_suspected() {
    let theirs = owner("theirs", "default", "web");
    let plain = |name: LoadBalancerName, owner| LoadBalancer::plain("lb-1", name, owner);
    let by_hand = LoadBalancerName::new("by-hand");
    let cases = [
        (found("lb-1", &ours()), true, "ours, and no such Service"),
        (found("lb-1", &theirs), false, "another cluster's"),
        (
            plain(ours().load_balancer_name(), None),
            false,
            "without an owner our name proves nothing",
        ),
        (
            plain(by_hand, Some(ours())),
            false,
            "our owner under a name that we never gave",
        ),
        (
            found("lb-1", &owner("ours", "kube-system/secrets?x=", "y")),
            false,
            "a namespace that leads to another object of the API server",
        ),
        (
            found("lb-1", &owner("ours", "default", "../secrets/s?a=b")),
            false,
            "a name that leads to another object of the API server",
        ),
    ];
    let cloud = CloudName::new("cloud1");
    for (found, expected, reason) in cases {
        let shown = Shown::new(&cloud, [&found]);
        let suspicion = suspect(&found, &ClusterId::new("ours"), None, &shown);
        assert_eq!(suspicion.is_some(), expected, "{reason}");
    }
}

#[test]
fn a_service_that_exists_keeps_what_any_installation_may_have_given_it() {
    let claim = Claim::default();
    let managed = Claim {
        is_managed: true,
        ..claim.clone()
    };
    let cases = [
        (claim.clone(), true, "no mark of any installation is left"),
        (managed, false, "this installation manages it"),
        (
            Claim {
                has_finalizer: true,
                ..claim.clone()
            },
            false,
            "another installation has its finalizer on it",
        ),
        (
            Claim {
                named_by_others: ids(&["lb-1"]),
                ..claim.clone()
            },
            false,
            "another installation has recorded it",
        ),
        (
            Claim {
                named_by_others: ids(&["lb-2"]),
                ..claim
            },
            true,
            "a record of another load balancer proves nothing about this one",
        ),
    ];
    for (claim, expected, reason) in cases {
        let suspicion = verdict(Some(&claim), &[]);
        assert_eq!(suspicion.is_some(), expected, "{reason}");
    }
}

#[test]
fn of_two_load_balancers_of_a_service_the_recorded_one_stays() {
    let recorded = |ids: &str, clouds: &str| Claim {
        is_managed: true,
        is_paused: false,
        has_finalizer: true,
        named_by_others: BTreeSet::new(),
        record: Record::parse(Some(ids), Some(clouds)),
        policy: StatedPolicy::Retain,
    };
    let second = found("lb-2", &ours());
    let deleting = LoadBalancer {
        state: State::Deleting,
        ..second.clone()
    };
    let theirs = found("lb-2", &owner("theirs", "default", "web"));
    let duplicate = Some(Suspicion::Duplicate {
        recorded: LoadBalancerId::new("lb-2"),
    });
    let on_cloud1 = recorded("lb-2", "cloud1");
    let paused = Claim {
        is_paused: true,
        ..on_cloud1.clone()
    };
    let cases = [
        (
            &paused,
            vec![second.clone()],
            None,
            "a paused Service keeps both",
        ),
        (
            &on_cloud1,
            vec![second.clone()],
            duplicate,
            "lb-2 is recorded and there",
        ),
        (&on_cloud1, vec![], None, "the recorded one is not there"),
        (
            &on_cloud1,
            vec![deleting],
            None,
            "the recorded one is on its way out",
        ),
        (&on_cloud1, vec![theirs], None, "the record is forged"),
        (
            &recorded("lb-2", "cloud2"),
            vec![second.clone()],
            None,
            "the record is about another cloud",
        ),
        (
            &recorded("lb-1", "cloud1"),
            vec![second.clone()],
            None,
            "lb-1 is the recorded one",
        ),
        (
            &recorded("lb-2,lb-1", "cloud1,cloud2"),
            vec![second],
            None,
            "two clouds with one account: both are recorded",
        ),
    ];
    for (claim, others, expected, reason) in cases {
        assert_eq!(verdict(Some(claim), &others), expected, "{reason}");
    }
}

#[test]
fn an_orphan_ends_as_its_service_says() {
    let duplicate = Suspicion::Duplicate {
        recorded: LoadBalancerId::new("lb-2"),
    };
    let gone = Suspicion::NoService;
    let (delete, retain, unclear) = (
        StatedPolicy::Delete,
        StatedPolicy::Retain,
        StatedPolicy::Unclear,
    );
    let cannot = Fate::Keep(WhyKept::CannotRelease);
    let nobody_knows = Fate::Keep(WhyKept::UnclearPolicy);
    let cases = [
        (&gone, delete, "able", Fate::Delete, "nothing else was said"),
        (&gone, retain, "able", Fate::Release, "it is to be retained"),
        (&gone, retain, "unable", cannot, "the cloud keeps owners on"),
        (&gone, retain, "unknown", cannot, "not in the configuration"),
        (
            &gone,
            unclear,
            "able",
            nobody_knows,
            "it does not come back",
        ),
        (&duplicate, retain, "able", Fate::Delete, "the other stays"),
        (
            &duplicate,
            unclear,
            "unable",
            Fate::Delete,
            "the other stays",
        ),
    ];
    let mut able = Capabilities::standard();
    able.features.insert(Feature::Release);
    let clouds = Clouds::from([
        (CloudName::new("able"), able),
        (CloudName::new("unable"), Capabilities::standard()),
    ]);
    for (suspicion, policy, cloud, expected, reason) in cases {
        let found = fate(suspicion, policy, &CloudName::new(cloud), &clouds);
        assert_eq!(found, expected, "{policy:?} on {cloud}: {reason}");
    }
}
