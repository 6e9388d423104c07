use std::collections::BTreeSet;

use super::*;

fn annotations(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

/// Whether it takes a value.
fn takes(about: &About, value: &str) -> bool {
    fn read<T>(annotation: &Annotation<T>, value: &str) -> bool {
        let found = annotation.optional(&annotations(annotation.name(), value));
        found.is_ok_and(|found| found.is_some())
    }
    match about.name {
        "enable" => read(&ENABLE, value),
        "provider" => read(&PROVIDER, value),
        "paused" => read(&PAUSED, value),
        "deletion-policy" => read(&DELETION_POLICY, value),
        "existing-lb" => read(&EXISTING_LB, value),
        "lb-spec" => read(&LB_SPEC, value),
        "lb-bandwidth" => read(&LB_BANDWIDTH, value),
        "algorithm" => read(&ALGORITHM, value),
        "internal" => read(&INTERNAL, value),
        "address" => read(&ADDRESS, value),
        "proxy-protocol" => read(&PROXY_PROTOCOL, value),
        "idle-timeout" => read(&IDLE_TIMEOUT, value),
        "tags" => read(&TAGS, value),
        "health-check-protocol" => read(&HEALTH_CHECK_PROTOCOL, value),
        "health-check-port" => read(&HEALTH_CHECK_PORT, value),
        "health-check-path" => read(&HEALTH_CHECK_PATH, value),
        "health-check-interval" => read(&HEALTH_CHECK_INTERVAL, value),
        "health-check-timeout" => read(&HEALTH_CHECK_TIMEOUT, value),
        "health-check-healthy-threshold" => read(&HEALTH_CHECK_HEALTHY_THRESHOLD, value),
        "health-check-unhealthy-threshold" => read(&HEALTH_CHECK_UNHEALTHY_THRESHOLD, value),
        "node-selector" => read(&NODE_SELECTOR, value),
        "node-address-type" => read(&NODE_ADDRESS_TYPE, value),
        name if name == SOURCE_RANGES.name() => read(&SOURCE_RANGES, value),
        name => panic!("{name} is in no row"),
    }
}

#[test]
fn each_declaration_takes_its_example_and_its_default() {
    for about in ALL {
        if about.when_changed == WhenChanged::Restored {
            continue;
        }
        assert!(takes(about, about.example), "{}: its example", about.name);
        if let WhenAbsent::Value(default) = about.when_absent {
            assert!(takes(about, default), "{}: its default", about.name);
        }
    }
}

#[test]
fn each_name_is_declared_once() {
    let names: BTreeSet<&str> = ALL.iter().map(|about| about.name).collect();
    assert_eq!(names.len(), ALL.len());
}

#[test]
fn without_the_annotation_the_default_counts() {
    let none = BTreeMap::new();
    assert_eq!(LB_BANDWIDTH.value(&none), Ok("5M".to_owned()));
    assert_eq!(SOURCE_RANGES.value(&none), Ok(Vec::new()));
    assert_eq!(ENABLE.optional(&none), Ok(None));
    let missing = PROVIDER.value(&none).expect_err("required");
    assert_eq!(missing.value, None);
}

#[test]
fn a_problem_names_value_rule_and_example() {
    let fast = annotations("lb-bandwidth", "fast");
    let problem = LB_BANDWIDTH.value(&fast).expect_err("not a bandwidth");
    assert_eq!(
        problem.describe("mycloud.com"),
        "annotation mycloud.com/lb-bandwidth is \"fast\": it must be a positive whole number of \
         at most 9 digits, followed by 'K', 'M' or 'G', for example \"10M\""
    );
}

#[test]
fn at_most_three_unknown_annotations_are_named() {
    let unknown = |number: usize| {
        let names: Vec<String> = (0..number).map(|index| format!("u{index}")).collect();
        describe_unknown(names.iter(), std::iter::empty(), "mycloud.com")
    };
    assert_eq!(unknown(0), None);
    assert!(
        unknown(1)
            .expect("one")
            .starts_with("Annotation mycloud.com/u0 is unknown")
    );
    let many = unknown(15_000).expect("many");
    assert!(
        many.contains("mycloud.com/u2 ") && !many.contains("mycloud.com/u3 "),
        "{many}"
    );
    assert!(many.contains(" and 14997 more are unknown"), "{many}");
    assert!(many.len() < excerpt::MESSAGE_LIMIT, "{many}");
    let known = ALL.map(|about| about.name.to_owned());
    let known = known.iter();
    assert_eq!(
        describe_unknown(known, std::iter::empty(), "mycloud.com"),
        None
    );
}

#[test]
fn a_misspelt_annotation_is_matched_to_the_nearest_known_one() {
    for (typed, meant) in [
        ("bandwith", "lb-bandwidth"),
        ("providr", "provider"),
        ("lbspec", "lb-spec"),
        ("web.health-check-pth", "web.health-check-path"),
        ("wbe.health-check-path", "web.health-check-path"),
    ] {
        let names = [typed.to_owned()];
        let message = describe_unknown(names.iter(), ["web", "dns"].into_iter(), "mycloud.com");
        let message = message.expect("unknown");
        assert!(
            message.ends_with(&format!(" mycloud.com/{meant}")),
            "{message}"
        );
    }
    let of_port = ["web.health-check-path".to_owned()];
    let of_port = describe_unknown(of_port.iter(), ["web"].into_iter(), "mycloud.com");
    assert_eq!(of_port, None, "the annotation of a port");
}
