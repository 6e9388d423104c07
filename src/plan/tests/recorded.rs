//! What the record and the status say: announcements, addresses, and the clouds to query.

use super::*;

#[test]
fn a_move_keeps_the_old_address_until_the_new_one_is_there() {
    let moved = service("cloud2");
    let old = load_balancer(&service("cloud1"), &nodes(&["10.0.0.1"]));
    let address = Ingress::Ip("192.0.2.1".parse().expect("address"));
    let mut observed = Observed::of_service(&moved, nodes(&["10.0.0.1"]));
    observed.ingress = vec![address.clone()];
    observed.clouds = BTreeMap::from([
        (CloudName::new("cloud1"), CloudView::Present(Box::new(old))),
        (CloudName::new("cloud2"), CloudView::Absent),
    ]);
    let publication = observed.publication(&BTreeSet::from([CloudName::new("cloud2")]));
    assert_eq!(publication.ingress, [address]);
    assert_eq!(
        publication.record,
        Record::parse(Some("lb-1"), Some("cloud1"))
    );
}

#[test]
fn addresses_are_cleared_only_where_we_may_have_published_them() {
    let forged = ServiceView {
        published: vec![Ingress::Ip("192.0.2.55".parse().expect("address"))],
        ..service("cloud1")
    };
    let recorded = |ids: Option<&str>| ServiceView {
        record: Record::parse(ids, Some("cloud1")),
        ..forged.clone()
    };
    let found = load_balancer(&service("cloud1"), &nodes(&[]));
    let present = CloudView::Present(Box::new(found));
    let cases = [
        (
            forged.clone(),
            CloudView::Absent,
            false,
            "only a finalizer, which may be forged",
        ),
        (
            forged.clone(),
            CloudView::NameTaken,
            false,
            "the cloud has somebody else's",
        ),
        (
            recorded(Some("lb-1")),
            CloudView::Absent,
            true,
            "there is a record",
        ),
        (
            recorded(None),
            CloudView::Absent,
            false,
            "a create was announced, and nothing published yet",
        ),
        (
            forged,
            present,
            true,
            "the cloud has a load balancer of the Service",
        ),
    ];
    for (mut service, view, clear_status, reason) in cases {
        service.annotations.remove(ENABLE.name());
        let mut observed = Observed::of_service(&service, nodes(&[]));
        observed.clouds = [(CloudName::new("cloud1"), view)].into();
        let plan = plan(&desired(&service, &cluster(), &clouds()), &observed);
        let last = plan.actions.last();
        assert_eq!(
            last,
            Some(&Action::RemoveFinalizer { clear_status }),
            "{reason}"
        );
    }
}

#[test]
fn the_id_of_a_lost_load_balancer_stays_until_the_next_one_has_one() {
    let service = ServiceView {
        record: Record::parse(Some("lb-1"), Some("cloud1")),
        published: vec![Ingress::Ip("192.0.2.55".parse().expect("address"))],
        ..service("cloud1")
    };
    let mut observed = Observed::of_service(&service, nodes(&["10.0.0.1"]));
    let cloud = CloudName::new("cloud1");
    for (view, wanted) in [
        (CloudView::Absent, "cloud1"),
        (CloudView::NameTaken, "cloud1"),
        (CloudView::Absent, "cloud2"),
    ] {
        observed.clouds = [(cloud.clone(), view)].into();
        let publication = observed.publication(&BTreeSet::from([CloudName::new(wanted)]));
        assert_eq!(
            publication.record, service.record,
            "its address is published"
        );
    }
    let mut next = load_balancer(&service, &nodes(&[]));
    next.id = LoadBalancerId::new("lb-2");
    observed.clouds = [(cloud.clone(), CloudView::Present(Box::new(next)))].into();
    let publication = observed.publication(&BTreeSet::from([cloud]));
    let record = Record::parse(Some("lb-2"), Some("cloud1"));
    assert_eq!(publication.record, record);
}

#[test]
fn a_create_is_announced_in_the_record_first() {
    let case = |record: Record, views: &[(&str, CloudView)]| {
        let service = ServiceView {
            record,
            ..service("cloud1,cloud2")
        };
        let mut observed = Observed::of_service(&service, nodes(&["10.0.0.1"]));
        let view = |(cloud, view): &(&str, CloudView)| (CloudName::new(cloud), view.clone());
        observed.clouds = views.iter().map(view).collect();
        plan(&desired(&service, &cluster(), &clouds()), &observed)
    };
    let absent = [("cloud1", CloudView::Absent), ("cloud2", CloudView::Absent)];
    let announced = |plan: &Plan| match plan.actions.first() {
        Some(Action::AddFinalizer { clouds }) => clouds
            .iter()
            .map(|cloud| cloud.as_str().to_owned())
            .collect(),
        _ => Vec::new(),
    };
    let plan = case(Record::default(), &absent);
    assert_eq!(announced(&plan), ["cloud1", "cloud2"], "both are created");
    let plan = case(Record::parse(Some("lb-1"), Some("cloud1")), &absent);
    assert_eq!(announced(&plan), ["cloud2"], "cloud1 is on record");
    let plan = case(Record::parse(None, Some("cloud1,cloud2")), &absent);
    assert_eq!(kinds(&plan)[0], "ConfirmLive", "both were announced before");
    let unreachable = [
        ("cloud1", CloudView::Absent),
        ("cloud2", CloudView::Unreachable),
    ];
    let plan = case(Record::default(), &unreachable);
    assert_eq!(announced(&plan), ["cloud1"], "nothing is sent to cloud2");
}

#[test]
fn a_release_queries_the_clouds_on_record() {
    let full = clouds();
    let basic = [
        ("cloud1", Capabilities::standard()),
        ("cloud2", Capabilities::basic()),
    ];
    let basic: Clouds = basic.map(|(name, can)| (CloudName::new(name), can)).into();
    let none = Record::default();
    let on_cloud1 = Record::parse(None, Some("cloud1"));
    let cases = [
        (
            &none,
            "cloud2",
            &full,
            "cloud2",
            "nothing on record: the annotation decides",
        ),
        (
            &none,
            "cluod1",
            &full,
            "cloud1,cloud2",
            "nothing on record, and a typing error",
        ),
        (
            &on_cloud1,
            "cluod1",
            &full,
            "cloud1",
            "a typing error concerns no cloud",
        ),
        (
            &on_cloud1,
            "cloud2",
            &full,
            "cloud1",
            "no create was sent to cloud2",
        ),
        (
            &on_cloud1,
            "cloud2",
            &basic,
            "cloud1,cloud2",
            "no list of cloud2 corrects a record",
        ),
    ];
    for (record, provider, clouds, expected, reason) in cases {
        let service = ServiceView {
            record: record.clone(),
            deleting: true,
            ..service(provider)
        };
        let desired = desired(&service, &cluster(), clouds);
        let queried = clouds_to_query(&service, &desired, clouds);
        let queried: Vec<&str> = queried.iter().map(CloudName::as_str).collect();
        assert_eq!(queried.join(","), expected, "{reason}");
    }
}

#[test]
fn an_address_that_is_refused_is_an_error_of_the_cloud() {
    let base = service("cloud1");
    let mut found = load_balancer(&base, &nodes(&["10.0.0.1"]));
    found.addresses = Addresses {
        refused: Some("its address 127.0.0.1 is a loopback address".into()),
        ..Addresses::default()
    };
    let Desired::Managed(wanted) = desired(&base, &cluster(), &clouds()) else {
        panic!("fixture is managed");
    };
    let mut observed = Observed::of_service(&base, nodes(&["10.0.0.1"]));
    let view = CloudView::Present(Box::new(found.clone()));
    observed.clouds.insert(CloudName::new("cloud1"), view);
    let refused = found.addresses.refused.clone().expect("a reason");
    let expected = Waiting::CloudError(CloudName::new("cloud1"), refused);
    assert_eq!(unready(&wanted, &observed), BTreeSet::from([expected]));
    let publication = observed.publication(&wanted.clouds);
    assert!(publication.ingress.is_empty() && !publication.record.is_empty());
}

#[test]
fn addresses_in_another_order_are_no_other_addresses() {
    let nodes = nodes(&["10.0.0.1"]);
    let mut service = service("cloud1");
    service.record = Record::parse(Some("lb-1"), Some("cloud1"));
    let ips = |ips: &[&str]| -> Vec<std::net::IpAddr> {
        let ips = ips.iter().map(|ip| ip.parse().expect("address"));
        ips.collect()
    };
    let published: Vec<Ingress> = ips(&["192.0.2.2", "192.0.2.1"])
        .into_iter()
        .map(Ingress::Ip)
        .collect();
    service.published.clone_from(&published);
    let cases: [(&[&str], &[&str]); 4] = [
        (&["192.0.2.2", "192.0.2.1"], &["192.0.2.2", "192.0.2.1"]),
        (&["192.0.2.1", "192.0.2.2"], &["192.0.2.2", "192.0.2.1"]),
        (&["192.0.2.1"], &["192.0.2.1"]),
        (&["192.0.2.1", "192.0.2.3"], &["192.0.2.1", "192.0.2.3"]),
    ];
    for (shown, expected) in cases {
        let mut found = load_balancer(&service, &nodes);
        found.addresses.ips = ips(shown);
        let mut observed = Observed::of_service(&service, nodes.clone());
        let view = CloudView::Present(Box::new(found));
        observed.clouds.insert(CloudName::new("cloud1"), view);
        let wanted = BTreeSet::from([CloudName::new("cloud1")]);
        let publication = observed.publication(&wanted);
        let expected: Vec<Ingress> = ips(expected).into_iter().map(Ingress::Ip).collect();
        assert_eq!(publication.ingress, expected, "{shown:?}");
        let plan = plan(&desired(&service, &cluster(), &clouds()), &observed);
        let writes = kinds(&plan).contains(&"Publish".to_owned());
        assert_eq!(writes, expected != published, "{shown:?}: {plan:?}");
    }
}
