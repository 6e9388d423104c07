//! What a Service asks for: the switch, the source ranges, and the problems of its values.

use super::*;

#[test]
fn only_a_plain_no_lets_go() {
    let marked = service("cloud1");
    let fresh = ServiceView {
        finalizer: false,
        ..service("cloud1")
    };
    let stripped = ServiceView {
        record: Record::parse(Some("lb-1"), Some("cloud1")),
        ..fresh.clone()
    };
    let outcome = |service: &ServiceView, value: Option<&str>| {
        let mut service = service.clone();
        service.annotations.remove(ENABLE.name());
        let switch = value.map(|value| (ENABLE.name().to_owned(), value.to_owned()));
        service.annotations.extend(switch);
        match desired(&service, &cluster(), &clouds()) {
            Desired::Managed(_) => "managed",
            Desired::Invalid(_) => "invalid",
            Desired::Released(_) => "released",
            Desired::Unmanaged(NotOurs::SwitchUnclear) => "unclear",
            Desired::Unmanaged(_) => "unmanaged",
        }
    };
    // The value, and the outcome with our finalizer, with our record only, and without both.
    let cases = [
        (Some("true"), ["managed", "managed", "managed"]),
        (Some("True"), ["invalid", "invalid", "unclear"]),
        (Some("true\n"), ["invalid", "invalid", "unclear"]),
        (Some("ture"), ["invalid", "invalid", "unclear"]),
        (Some(""), ["invalid", "invalid", "unclear"]),
        (Some("false"), ["released", "unmanaged", "unmanaged"]),
        (Some("No "), ["released", "unmanaged", "unmanaged"]),
        (None, ["released", "unmanaged", "unmanaged"]),
    ];
    for (value, expected) in cases {
        let found = [&marked, &stripped, &fresh].map(|service| outcome(service, value));
        assert_eq!(found, expected, "{value:?}");
    }
    let deleting = ServiceView {
        deleting: true,
        ..marked
    };
    assert_eq!(
        outcome(&deleting, Some("ture")),
        "released",
        "it can be deleted"
    );
}

#[test]
fn the_annotation_of_others_restricts_where_the_field_is_empty() {
    let ranges = |field: &[&str], annotation: &str| {
        let mut service = service("cloud1");
        service.source_ranges = field.iter().map(|range| (*range).to_owned()).collect();
        service
            .annotations
            .insert(SOURCE_RANGES.name().into(), annotation.into());
        match desired(&service, &cluster(), &clouds()) {
            Desired::Managed(wanted) => wanted.spec(&NodeAddresses::default()).source_ranges,
            other => vec![format!("{other:?}")],
        }
    };
    assert_eq!(
        ranges(&[], "10.0.0.0/8, 192.0.2.0/24"),
        ["10.0.0.0/8", "192.0.2.0/24"]
    );
    assert_eq!(
        ranges(&["192.0.2.0/24"], "10.0.0.0/8"),
        ["192.0.2.0/24"],
        "the field wins"
    );
    assert!(ranges(&[], "").is_empty());
    let invalid = ranges(&[], "office").join("");
    assert!(
        invalid.contains("Invalid") && invalid.contains("office"),
        "{invalid}"
    );
}

#[test]
fn every_problem_of_a_service_is_reported() {
    let mut wrong = service("cloud3");
    wrong
        .annotations
        .insert(LB_BANDWIDTH.name().into(), "0M".into());
    wrong.ports[0].protocol = "SCTP".into();
    let Desired::Invalid(invalid) = desired(&wrong, &cluster(), &clouds()) else {
        panic!("three mistakes");
    };
    let problems = invalid.problems;
    let subjects: Vec<_> = problems
        .iter()
        .map(|problem| problem.describe("mycloud.com"))
        .collect();
    assert_eq!(problems.len(), 3, "{subjects:?}");
    assert!(
        subjects[0].contains("cloud1, cloud2"),
        "allowed clouds are listed: {subjects:?}"
    );
}
