//! The settings that only some clouds have: cloud1 has all of them, cloud2 none.

use super::*;
use crate::plan::capabilities::Feature;
use crate::plan::load_balancer::LoadBalancerSpec;
use crate::plan::problem::describe_problems;
use crate::plan::proxy_protocol::ProxyProtocol;
use crate::plan::tags::Tags;

pub fn able() -> Clouds {
    let can = Capabilities {
        features: Feature::ALL.into(),
        ..Capabilities::standard()
    };
    let mut clouds = clouds();
    clouds.insert(CloudName::new("cloud1"), can);
    clouds
}

/// The same with addresses of both families.
fn dual(mut service: ServiceView) -> ServiceView {
    service.ip_families.is_dual = true;
    service
}

pub fn asking(provider: &str, annotations: &[(&str, &str)]) -> ServiceView {
    let mut service = service(provider);
    for (name, value) in annotations {
        service
            .annotations
            .insert((*name).to_owned(), (*value).to_owned());
    }
    service
}

/// What the Service asks of its first cloud.
pub fn asked(service: &ServiceView) -> Result<LoadBalancerSpec, String> {
    match desired(service, &cluster(), &able()) {
        Desired::Managed(wanted) => {
            let cloud = wanted.clouds.first().expect("a cloud");
            Ok(wanted.spec(cloud, &NodeAddresses::default()))
        }
        Desired::Invalid(invalid) => Err(describe_problems(&invalid.problems, "mycloud.com")),
        other => panic!("{other:?}"),
    }
}

/// The plan for a load balancer that was made for one Service and belongs to another one now.
pub fn replanned(made_for: &ServiceView, now: &ServiceView, nodes: &Backends) -> Plan {
    let mut found = load_balancer(&service("cloud1"), &super::nodes(&["10.0.0.1"]));
    let spec = asked(made_for).expect("valid");
    found.spec = LoadBalancerSpec {
        nodes: found.spec.nodes,
        ..spec
    };
    plan_with(found, now, nodes)
}

pub fn plan_with(found: LoadBalancer, now: &ServiceView, nodes: &Backends) -> Plan {
    let in_sync = ServiceView {
        record: Record::parse(Some("lb-1"), Some("cloud1")),
        published: vec![Ingress::Ip("192.0.2.1".parse().expect("address"))],
        ..now.clone()
    };
    let mut observed = Observed::of_service(&in_sync, nodes.clone());
    let view = CloudView::Present(Box::new(found));
    observed.clouds.insert(CloudName::new("cloud1"), view);
    plan(&desired(&in_sync, &cluster(), &able()), &observed)
}

fn refusal(plan: &Plan) -> String {
    let mut waiting = plan.waiting.iter();
    let problems = waiting.find_map(|waiting| match waiting {
        Waiting::Invalid(problems) => Some(problems),
        _ => None,
    });
    describe_problems(problems.map_or(&[][..], Vec::as_slice), "mycloud.com")
}

#[test]
fn a_cloud_that_lacks_a_setting_is_not_sent_its_default() {
    let internal = |provider, value| {
        let spec = asked(&asking(provider, &[("internal", value)]));
        spec.map(|spec| spec.internal)
    };
    assert_eq!(internal("cloud1", "true"), Ok(Some(true)));
    assert_eq!(internal("cloud1", " false"), Ok(Some(false)));
    assert_eq!(internal("cloud2", "false"), Ok(None));
    let unsupported = internal("cloud2", "true").expect_err("it lacks it");
    assert!(
        unsupported.contains("internal is \"true\": cloud2 does not support internal load balanc"),
        "{unsupported}"
    );
    for value in ["", "True", "yes", "1"] {
        let invalid = internal("cloud1", value).expect_err("neither");
        assert!(
            invalid.contains("it must be 'true' or 'false'"),
            "{invalid}"
        );
    }
}

#[test]
fn whether_it_is_internal_is_compared_only_where_the_cloud_has_it() {
    let spec = |internal| LoadBalancerSpec {
        internal,
        ..LoadBalancerSpec::default()
    };
    let cases = [
        (None, Some(true), true, "the cloud decides"),
        (Some(false), None, true, "absent means the default"),
        (Some(true), None, false, "absent means the default"),
        (Some(true), Some(false), false, "another value"),
        (Some(true), Some(true), true, "the same"),
    ];
    for (wanted, found, expected, reason) in cases {
        let is_met = spec(wanted).is_met_by(&spec(found));
        assert_eq!(is_met, expected, "{wanted:?} {found:?}: {reason}");
    }
}

#[test]
fn a_load_balancer_does_not_become_internal_and_follows_the_nodes() {
    let (public, internal) = (
        asking("cloud1", &[("internal", "false")]),
        asking("cloud1", &[("internal", "true")]),
    );
    let (same, other) = (nodes(&["10.0.0.1"]), nodes(&["10.0.0.2"]));
    let plan = replanned(&public, &internal, &same);
    assert!(plan.actions.is_empty(), "{plan:?}");
    let message = refusal(&plan);
    let expected = "annotation mycloud.com/internal is \"true\": load balancer lb-1 on cloud1 is \
                    not internal, which cannot be changed";
    assert!(message.starts_with(expected), "{message}");
    assert!(message.ends_with("for example \"false\""), "{message}");

    let plan = replanned(&internal, &public, &other);
    let [Action::Update { request, .. }] = &plan.actions[..] else {
        panic!("{plan:?}");
    };
    assert_eq!(request.spec.nodes, other.addresses);
    assert_eq!(request.spec.internal, Some(true), "it stays");
    let expected = "internal is \"false\": load balancer lb-1 on cloud1 is internal,";
    assert!(refusal(&plan).contains(expected), "{}", refusal(&plan));

    assert!(
        replanned(&internal, &internal, &same).actions.is_empty(),
        "the old value again"
    );
    let moved = asking("cloud2", &[]);
    let plan = replanned(&internal, &moved, &same);
    assert!(
        matches!(plan.waiting.first(), Some(Waiting::CloudUnreachable(_)))
            && refusal(&plan).is_empty(),
        "a move makes a new one: {plan:?}"
    );
}

/// The cloud may show it since it has the capability, or the user may have asked for it before.
#[test]
fn one_that_is_internal_stays_so_if_nobody_mentions_it() {
    let (silent, internal) = (
        asking("cloud1", &[]),
        asking("cloud1", &[("internal", "true")]),
    );
    let (same, other) = (nodes(&["10.0.0.1"]), nodes(&["10.0.0.2"]));
    let plan = replanned(&internal, &silent, &same);
    assert!(plan.actions.is_empty(), "{plan:?}");
    assert_eq!(refusal(&plan), "");

    let edited = asking("cloud1", &[("lb-bandwidth", "7M")]);
    for (now, backends) in [(&silent, &other), (&edited, &same)] {
        let plan = replanned(&internal, now, backends);
        let update = plan.actions.iter().find_map(|action| match action {
            Action::Update { request, .. } => Some(request),
            _ => None,
        });
        let update = update.unwrap_or_else(|| panic!("{plan:?}"));
        assert_eq!(update.spec.internal, Some(true), "it stays");
    }
    let plan = replanned(&silent, &internal, &same);
    assert!(refusal(&plan).contains("is not internal"), "{plan:?}");
}

#[test]
fn an_application_protocol_is_passed_on_and_never_a_reason_to_refuse() {
    let of = |provider, name: Option<&str>| {
        let mut service = asking(provider, &[]);
        service.ports[0].app_protocol = name.map(str::to_owned);
        asked(&service).map(|spec| spec.listeners[0].app_protocol.clone())
    };
    let passed = |name: &str| Ok(Some(name.to_owned()));
    assert_eq!(of("cloud1", Some("http")), passed("http"));
    assert_eq!(of("cloud1", None), passed(""));
    assert_eq!(of("cloud2", Some("http")), Ok(None));
}

#[test]
fn a_listener_is_compared_by_what_the_cloud_has() {
    let of = |proxy_protocol, app_protocol: Option<&str>| {
        let mut spec = asked(&service("cloud2")).expect("valid");
        spec.listeners[0].proxy_protocol = proxy_protocol;
        spec.listeners[0].app_protocol = app_protocol.map(str::to_owned);
        spec
    };
    let (v1, none) = (Some(ProxyProtocol::V1), Some(ProxyProtocol::None));
    let cases = [
        (
            of(None, None),
            of(v1, Some("http")),
            true,
            "the cloud decides",
        ),
        (
            of(none, Some("")),
            of(None, None),
            true,
            "absent means none",
        ),
        (of(v1, Some("")), of(None, None), false, "absent means none"),
        (of(none, Some("")), of(v1, None), false, "it was removed"),
        (
            of(none, Some("http")),
            of(None, None),
            false,
            "it was added",
        ),
        (
            of(none, Some("")),
            of(none, Some("http")),
            false,
            "it was removed",
        ),
    ];
    for (wanted, found, expected, reason) in cases {
        assert_eq!(wanted.is_met_by(&found), expected, "{reason}");
    }
}

#[test]
fn tags_are_those_of_the_service_and_of_the_configuration_where_the_cloud_has_them() {
    let tags = |provider, own: &[(&str, &str)]| {
        let mut service = asking(provider, own);
        service.defaults.tags = Tags::parse("stage=test,team=none").expect("tags");
        asked(&service).map(|spec| spec.tags)
    };
    assert_eq!(
        tags("cloud1", &[("tags", "team=web")]),
        Ok(Tags::parse("stage=test,team=web"))
    );
    assert_eq!(tags("cloud1", &[]), Ok(Tags::parse("stage=test,team=none")));
    assert_eq!(tags("cloud2", &[]), Ok(None), "they are not asked for");
    let unsupported = tags("cloud2", &[("tags", "team=web")]).expect_err("it lacks them");
    assert!(
        unsupported.contains("tags is \"team=web\": cloud2 does not support tags (cloud1 can)"),
        "{unsupported}"
    );
    let invalid = tags("cloud1", &[("tags", "web")]).expect_err("no tag");
    assert!(invalid.contains("at most 20 of 'key=value'"), "{invalid}");
}

#[test]
fn a_tag_or_an_idle_timeout_that_is_removed_goes() {
    let of = |values: &[(&str, &str)]| asking("cloud1", values);
    let cases = [
        (of(&[("tags", "a=1,b=2")]), of(&[("tags", "a=1")])),
        (of(&[("tags", "a=1")]), of(&[])),
        (of(&[("idle-timeout", "350s")]), of(&[])),
        (of(&[]), of(&[("idle-timeout", "6m")])),
    ];
    for (before, now) in cases {
        let plan = replanned(&before, &now, &nodes(&["10.0.0.1"]));
        let update = plan.actions.iter().find_map(|action| match action {
            Action::Update { request, .. } => Some(request),
            _ => None,
        });
        let update = update.unwrap_or_else(|| panic!("{plan:?}"));
        let (asked, was) = (asked(&now).expect("valid"), asked(&before).expect("valid"));
        assert_eq!(update.spec.tags, asked.tags);
        assert_eq!(update.spec.idle_timeout, asked.idle_timeout);
        assert!(!asked.is_met_by(&was));
    }
    let unchanged = of(&[("tags", "a=1"), ("idle-timeout", "60s")]);
    let same = of(&[("tags", " a=1 "), ("idle-timeout", "1m")]);
    let plan = replanned(&unchanged, &same, &nodes(&["10.0.0.1"]));
    assert!(plan.actions.is_empty(), "{plan:?}");
}

fn with_ip(mut service: ServiceView, ip: &str) -> ServiceView {
    service.requested_ip = Some(ip.to_owned());
    service
}

#[test]
fn an_address_is_asked_for_by_the_annotation_or_the_field() {
    let of = |service: ServiceView| asked(&service).map(|spec| spec.addresses);
    let ips = |ips: &[&str]| {
        let ips = ips.iter().map(|ip| ip.parse().expect("an address"));
        Ok(ips.collect::<Vec<std::net::IpAddr>>())
    };
    let by = |value| asking("cloud1", &[("address", value)]);
    assert_eq!(of(asking("cloud1", &[])), ips(&[]));
    assert_eq!(of(by(" 192.0.2.7 ")), ips(&["192.0.2.7"]));
    assert_eq!(
        of(dual(by("2001:DB8::7,192.0.2.7"))),
        ips(&["2001:db8::7", "192.0.2.7"])
    );
    assert_eq!(
        of(with_ip(asking("cloud1", &[]), "192.0.2.7")),
        ips(&["192.0.2.7"])
    );
    assert_eq!(
        of(with_ip(by("192.0.2.7"), "192.0.2.7")),
        ips(&["192.0.2.7"])
    );
    assert_eq!(of(by("::ffff:192.0.2.7")), ips(&["192.0.2.7"]));
    let by_field = with_ip(asking("cloud1", &[]), "::ffff:192.0.2.7");
    assert_eq!(of(by_field), ips(&["192.0.2.7"]));
    let bad = [
        (
            dual(by("192.0.2.7,::ffff:192.0.2.7")),
            "or one of each family",
        ),
        (
            by("2001:db8::7"),
            "address is \"2001:db8::7\": the Service has no addresses of the family IPv6, but of \
             IPv4 (spec.ipFamilies)",
        ),
        (
            with_ip(asking("cloud1", &[]), "2001:db8::7"),
            "spec.loadBalancerIP is \"2001:db8::7\": the Service has no addresses of the family",
        ),
        (by(""), "address is \"\": it must be an IP address"),
        (by("192.0.2.7,192.0.2.8"), "or one of each family"),
        (by("192.0.2.7/32"), "it must be an IP address"),
        (
            with_ip(asking("cloud1", &[]), "office"),
            "spec.loadBalancerIP is \"office\": it must be an IP address",
        ),
        (
            with_ip(by("192.0.2.7"), "192.0.2.8"),
            "spec.loadBalancerIP is \"192.0.2.8\": the annotation address asks for another one",
        ),
        (
            with_ip(asking("cloud2", &[]), "192.0.2.7"),
            "spec.loadBalancerIP is \"192.0.2.7\": cloud2 does not support the choice of an address",
        ),
        (
            asking("cloud2", &[("address", "192.0.2.7")]),
            "annotation mycloud.com/address is \"192.0.2.7\": cloud2 does not support",
        ),
    ];
    for (service, expected) in bad {
        let message = of(service).expect_err(expected);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn one_address_cannot_be_had_of_several_clouds() {
    let by_annotation = asking("cloud1,cloud2", &[("address", "192.0.2.7")]);
    let says = "annotation mycloud.com/address is \"192.0.2.7\": only one cloud can give an \
                address, and provider names cloud1, cloud2; name one of them, or leave the address \
                to the clouds, for example";
    let message = asked(&by_annotation).expect_err("it is on one of them");
    assert!(message.contains(says), "{message}");
    let by_field = with_ip(asking("cloud1,cloud2", &[]), "192.0.2.7");
    let message = asked(&by_field).expect_err("it is on one of them");
    assert!(
        message.starts_with("spec.loadBalancerIP is \"192.0.2.7\": only one"),
        "{message}"
    );
    assert!(
        asked(&asking("cloud1,cloud2", &[])).is_ok(),
        "no address is asked for"
    );
}

#[test]
fn two_addresses_need_a_cloud_with_both_families() {
    let service = dual(asking("cloud1", &[("address", "192.0.2.7,2001:db8::7")]));
    let mut clouds = able();
    let can = clouds.get_mut(&CloudName::new("cloud1")).expect("a cloud");
    can.features.remove(&Feature::DualStack);
    let Desired::Invalid(invalid) = desired(&service, &cluster(), &clouds) else {
        panic!("one of them cannot be had");
    };
    let message = describe_problems(&invalid.problems, "mycloud.com");
    let says = "address is \"192.0.2.7,2001:db8::7\": cloud1 does not support";
    assert!(message.contains(says), "{message}");
}

#[test]
fn another_address_than_the_requested_one_stays_as_it_is_and_is_told() {
    // It has 192.0.2.1.
    let plain = asking("cloud1", &[]);
    let same = nodes(&["10.0.0.1"]);
    let has_it = asking("cloud1", &[("address", "192.0.2.1")]);
    let plan = replanned(&plain, &has_it, &same);
    assert!(
        plan.actions.is_empty() && refusal(&plan).is_empty(),
        "{plan:?}"
    );
    let other = with_ip(asking("cloud1", &[]), "192.0.2.9");
    let plan = replanned(&plain, &other, &same);
    assert!(plan.actions.is_empty(), "{plan:?}");
    let expected = "spec.loadBalancerIP is \"192.0.2.9\": load balancer lb-1 on cloud1 lacks \
                    the address 192.0.2.9 and has 192.0.2.1, which cannot be changed";
    assert!(refusal(&plan).starts_with(expected), "{}", refusal(&plan));
    let both = dual(asking("cloud1", &[("address", "192.0.2.1,2001:db8::1")]));
    let message = refusal(&replanned(&plain, &both, &same));
    assert!(
        message.contains("lacks the address 2001:db8::1 and has 192.0.2.1,"),
        "{message}"
    );
}

#[test]
fn a_new_load_balancer_that_is_not_as_asked_publishes_nothing() {
    let created = |values: &[(&str, &str)], shows_internal| {
        let service = asking("cloud1", values);
        let mut observed = Observed::of_service(&service, nodes(&["10.0.0.1"]));
        let cloud = CloudName::new("cloud1");
        observed.clouds.insert(cloud.clone(), CloudView::Absent);
        let plan = plan(&desired(&service, &cluster(), &able()), &observed);
        let is_create = |action: &&Action| matches!(action, Action::Create { .. });
        let create = plan.actions.iter().find(is_create).expect("a create");
        let Action::Create { request, .. } = create else {
            panic!("{create:?}");
        };
        let mut answer = load_balancer(&plain_service(), &nodes(&["10.0.0.1"]));
        answer.spec = request.spec.clone();
        answer.spec.internal = shows_internal;
        observed.record_outcome(create, Outcome::Found(Box::new(answer)));
        let published = observed.publication(&BTreeSet::from([cloud.clone()]));
        assert!(observed.load_balancer(&cloud).is_some(), "it is recorded");
        published.ingress.len()
    };
    let internal = ("internal", "true");
    assert_eq!(created(&[], Some(false)), 1);
    assert_eq!(created(&[], Some(true)), 1, "nobody asks");
    assert_eq!(created(&[("internal", "false")], Some(true)), 0);
    assert_eq!(created(&[("address", "192.0.2.1")], Some(false)), 1);
    assert_eq!(created(&[("address", "192.0.2.9")], Some(false)), 0);
    assert_eq!(created(&[internal], Some(true)), 1);
    assert_eq!(created(&[internal], Some(false)), 0);
}

fn plain_service() -> ServiceView {
    service("cloud1")
}
