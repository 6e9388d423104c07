//! Services of clouds that have not told yet what they can do.

use super::*;
use crate::plan::problem::{ProblemKind, describe_problems, kind};

fn known(untold: &[&str], can: [Capabilities; 2]) -> KnownClouds {
    KnownClouds {
        clouds: ["cloud1", "cloud2"]
            .map(CloudName::new)
            .into_iter()
            .zip(can)
            .collect(),
        untold: untold.iter().map(|name| CloudName::new(*name)).collect(),
    }
}

fn udp(provider: &str) -> ServiceView {
    let mut service = service(provider);
    service.ports[0].protocol = "UDP".into();
    service
}

fn problems(known: &KnownClouds, service: &ServiceView) -> Option<(ProblemKind, String)> {
    match known.desired(service, &cluster()) {
        Desired::Invalid(found) => {
            let message = describe_problems(&found.problems, "mycloud.com");
            Some((kind(&found.problems), message))
        }
        Desired::Managed(_) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_what_a_cloud_has_told_is_unsupported() {
    let (some, basic) = (Capabilities::standard, Capabilities::basic);
    let untold = Some(ProblemKind::Untold);
    let unsupported = Some(ProblemKind::Unsupported);
    let cases = [
        (
            "cloud2",
            known(&["cloud2"], [some(), basic()]),
            untold,
            "the cloud has not told",
        ),
        (
            "cloud2",
            known(&[], [some(), basic()]),
            unsupported,
            "it has",
        ),
        (
            "cloud2",
            known(&["cloud1"], [some(), basic()]),
            unsupported,
            "another has not",
        ),
        (
            "cloud1",
            known(&["cloud1"], [some(), basic()]),
            None,
            "the profile has it",
        ),
        (
            "cloud1,cloud2",
            known(&["cloud1"], [basic(), basic()]),
            unsupported,
            "one told no",
        ),
        (
            "cloud1,cloud2",
            known(&["cloud1", "cloud2"], [basic(), basic()]),
            untold,
            "neither",
        ),
    ];
    for (provider, known, expected, reason) in cases {
        let found = problems(&known, &udp(provider)).map(|(kind, _)| kind);
        assert_eq!(found, expected, "{reason}");
    }
}

#[test]
fn a_wait_names_the_value_once_and_the_clouds_that_have_not_told() {
    let basic = Capabilities::basic;
    let both = known(&["cloud1", "cloud2"], [basic(), basic()]);
    let (_, message) = problems(&both, &udp("cloud1,cloud2")).expect("a problem");
    let expected = "spec.ports[0].protocol is \"UDP\": cloud1, cloud2 have not told yet whether \
                    this is supported; the Service waits for that";
    assert_eq!(message, expected);
    let (_, message) = problems(&both, &udp("cloud2")).expect("a problem");
    assert!(message.contains(": cloud2 has not told"), "{message}");
}

#[test]
fn what_no_cloud_takes_is_invalid_before_any_cloud_told() {
    let mut service = udp("cloud1");
    service
        .annotations
        .insert(LB_BANDWIDTH.name().into(), "fast".into());
    let untold = known(&["cloud1"], [Capabilities::basic(), Capabilities::basic()]);
    let (kind, _) = problems(&untold, &service).expect("a problem");
    assert_eq!(kind, ProblemKind::Invalid);
}
