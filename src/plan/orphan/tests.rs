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

/// One that others made, to which the Service is attached.
fn attached(id: &str) -> LoadBalancer {
    let owner = Some(ours().on_existing());
    LoadBalancer::plain(id, LoadBalancerName::new("by-hand"), owner)
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
        is_left_alone: false,
        has_finalizer: true,
        named_by_others: BTreeSet::new(),
        record: Record::parse(Some(ids), Some(clouds)),
        existing: None,
        policy: StatedPolicy::Retain,
    };
    let second = found("lb-2", &ours());
    let deleting = LoadBalancer {
        state: State::Deleting,
        ..second.clone()
    };
    let theirs = found("lb-2", &owner("theirs", "default", "web"));
    let attached = attached("lb-2");
    let duplicate = Some(Suspicion::Duplicate {
        recorded: LoadBalancerId::new("lb-2"),
    });
    let on_cloud1 = recorded("lb-2", "cloud1");
    let paused = Claim {
        is_left_alone: true,
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
            duplicate.clone(),
            "lb-2 is recorded and there",
        ),
        (
            &on_cloud1,
            vec![attached],
            duplicate,
            "lb-2 is recorded and attached: a create came late",
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
        let orphan = self::found("lb-1", &ours());
        let found = fate(&orphan, suspicion, policy, &CloudName::new(cloud), &clouds);
        assert_eq!(found, expected, "{policy:?} on {cloud}: {reason}");
    }
}

#[test]
fn a_service_keeps_what_it_is_attached_to_as_long_as_it_has_it_or_asks_for_it() {
    let managed = Claim {
        is_managed: true,
        has_finalizer: true,
        ..Claim::default()
    };
    let other = Some(LoadBalancerId::new("lb-8"));
    let not_asked_for = Some(Suspicion::NotAskedFor);
    let recorded = |ids: &str, cloud: &str| Claim {
        record: Record::parse(Some(ids), Some(cloud)),
        ..managed.clone()
    };
    let cases = [
        (None, Some(Suspicion::NoService), "the Service is gone"),
        (
            Some(Claim::default()),
            Some(Suspicion::NoService),
            "no installation manages it any more",
        ),
        (
            Some(managed.clone()),
            not_asked_for.clone(),
            "neither its record nor its annotation leads to it",
        ),
        (
            Some(Claim {
                existing: other,
                ..recorded("lb-1", "cloud1")
            }),
            not_asked_for,
            "both lead to others",
        ),
        (Some(recorded("lb-9", "cloud1")), None, "it is recorded"),
        (
            Some(recorded("lb-9", "cloud2")),
            None,
            "two clouds with one account",
        ),
        (
            Some(Claim {
                existing: Some(LoadBalancerId::new("lb-9")),
                ..managed.clone()
            }),
            None,
            "it asks for it, and the record is lost",
        ),
        (
            Some(Claim {
                is_left_alone: true,
                ..managed
            }),
            None,
            "it is paused",
        ),
        (
            Some(Claim {
                has_finalizer: true,
                ..Claim::default()
            }),
            None,
            "another installation has its finalizer on it",
        ),
    ];
    let (cloud, cluster) = (CloudName::new("cloud1"), ClusterId::new("ours"));
    for (claim, expected, reason) in cases {
        let found = attached("lb-9");
        let shown = Shown::new(&cloud, [&found]);
        let suspicion = suspect(&found, &cluster, claim.as_ref(), &shown);
        assert_eq!(suspicion, expected, "{reason}");
    }
    let foreign = LoadBalancer {
        owner: Some(owner("theirs", "default", "web").on_existing()),
        ..attached("lb-9")
    };
    let shown = Shown::new(&cloud, [&foreign]);
    let suspicion = suspect(&foreign, &cluster, None, &shown);
    assert_eq!(suspicion, None, "another cluster's");
}

#[test]
fn what_others_made_is_let_go_of_and_never_deleted() {
    let mut able = Capabilities::standard();
    able.features.extend([Feature::Attach, Feature::Release]);
    let mut unable = able.clone();
    unable.features.remove(&Feature::Release);
    let clouds = Clouds::from([
        (CloudName::new("able"), able),
        (CloudName::new("unable"), unable),
    ]);
    let unknown = LoadBalancer {
        is_understood: false,
        ..attached("lb-9")
    };
    let cases = [
        (attached("lb-9"), "able", Fate::Detach),
        (unknown, "able", Fate::Keep(WhyKept::NotKnown)),
        (
            attached("lb-9"),
            "unable",
            Fate::Keep(WhyKept::CannotDetach),
        ),
        (
            attached("lb-9"),
            "unknown",
            Fate::Keep(WhyKept::CannotDetach),
        ),
    ];
    for (found, cloud, expected) in cases {
        for suspicion in [Suspicion::NoService, Suspicion::NotAskedFor] {
            for policy in [
                StatedPolicy::Delete,
                StatedPolicy::Retain,
                StatedPolicy::Unclear,
            ] {
                let fate = fate(&found, &suspicion, policy, &CloudName::new(cloud), &clouds);
                assert_eq!(fate, expected, "{suspicion:?}, {policy:?} on {cloud}");
            }
        }
    }
}
