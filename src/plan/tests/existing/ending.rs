//! How an attachment ends, and what never ends one.

use super::*;

#[test]
fn what_ends_leaves_the_rest_as_it_was() {
    let ended = ServiceView {
        deleting: true,
        ..asking()
    };
    let spec = |found: LoadBalancer| {
        let plan = planned(&ended, present(found));
        plan.actions.into_iter().find_map(|action| match action {
            Action::Update { request, .. } => Some(request.spec),
            _ => None,
        })
    };
    let left = LoadBalancerSpec {
        nodes: attached().spec.nodes,
        ..made().spec
    };
    assert_eq!(spec(attached()), Some(left));
    // Without a listener of others, none can be taken off: they lose their back ends.
    let mut alone = attached();
    alone.spec.listeners.remove(0);
    let emptied = LoadBalancerSpec {
        nodes: Backends::default().addresses,
        ..alone.spec.clone()
    };
    assert_eq!(spec(alone), Some(emptied));
    let unknown = LoadBalancer {
        is_understood: false,
        ..attached()
    };
    for unknown in [unknown, opaque(attached())] {
        assert_eq!(
            spec(unknown),
            None,
            "an update would take away what is not known here"
        );
    }
}

#[test]
fn a_move_lets_go_of_it() {
    let mut moved = service("cloud2");
    moved.record = Record::parse(Some("lb-9,lb-1"), Some("cloud1,cloud2"));
    let next = load_balancer(&service("cloud2"), &nodes(&["10.0.0.1"]));
    let mut observed = observed(&moved, present(attached()));
    let cloud2 = CloudName::new("cloud2");
    observed.clouds.insert(cloud2, present(next));
    let plan = plan_of(&moved, &observed);
    let expected = [
        "ConfirmLive",
        "Publish",
        "AwaitServing",
        "Update",
        "Release",
        "Publish",
    ];
    assert_eq!(kinds(&plan), expected, "{plan:#?}");
}

#[test]
fn a_move_to_it_makes_before_it_breaks() {
    let mut moved = asking();
    moved.record = Record::parse(Some("lb-1"), Some("cloud2"));
    let own = load_balancer(&service("cloud2"), &nodes(&["10.0.0.1"]));
    let mut observed = observed(&moved, offered(made()));
    observed
        .clouds
        .insert(CloudName::new("cloud2"), present(own));
    let plan = plan_of(&moved, &observed);
    let expected = [
        "AddFinalizer",
        "Update",
        "Publish",
        "AwaitServing",
        "Delete",
        "ConfirmGone",
        "Publish",
    ];
    assert_eq!(kinds(&plan), expected, "{plan:#?}");
    let Some(Action::AddFinalizer { clouds }) = plan.actions.first() else {
        panic!("{plan:#?}");
    };
    let announced = observed.announced(clouds).id_annotation();
    assert_eq!(announced.as_deref(), Some("lb-9,lb-1"));
    // Whatever is published before the update, the record leads to it.
    observed.record_outcome(&plan.actions[0], Outcome::Done);
    let published = observed.publication(&[CloudName::new(CLOUD)].into());
    assert_eq!(
        published.record.id_annotation().as_deref(),
        Some("lb-9,lb-1")
    );
    assert!(published.ingress.is_empty(), "{published:?}");
}

#[test]
fn an_invalid_service_keeps_all_but_its_back_ends() {
    let mut invalid = asking();
    invalid.offers.clear();
    let mut observed = observed(&invalid, present(attached()));
    observed.backends = nodes(&["10.0.0.1", "10.0.0.2"]);
    let plan = plan_of(&invalid, &observed);
    let [Action::Update { request, .. }] = &plan.actions[..] else {
        panic!("{plan:#?}");
    };
    assert!(request.owner.is_on_existing());
    assert_eq!(request.name, made().name);
    assert_eq!(
        request.spec,
        attached().spec_with_nodes(&observed.backends.addresses)
    );
    let view = present(opaque(attached()));
    observed.clouds.insert(CloudName::new(CLOUD), view);
    assert!(plan_of(&invalid, &observed).actions.is_empty());
}

/// Even under the name that would be derived from its owner.
#[test]
fn neither_name_nor_owner_makes_it_ours() {
    let owner = asking().owner(&cluster());
    let on_existing = owner.clone().on_existing();
    for name in [
        made().name,
        owner.load_balancer_name(),
        on_existing.load_balancer_name(),
    ] {
        let found = LoadBalancer {
            name,
            owner: Some(on_existing.clone()),
            ..made()
        };
        assert!(!found.belongs_to(&owner));
    }
    assert_eq!(on_existing.clone().on_existing(), on_existing);
    assert_eq!(*on_existing.of_service(), owner);
}

/// The id is in the record before the Service is attached, and after it has been let go of.
#[test]
fn the_status_is_cleared_of_the_addresses_of_what_it_was_attached_to() {
    let ended = |address: Option<&str>| {
        let address = address.map(|ip| Ingress::Ip(ip.parse().expect("an address")));
        let mut service = asking();
        service.annotations.remove(ENABLE.name());
        service.record = Record::parse(Some("lb-9"), Some(CLOUD));
        service.published = address.into_iter().collect();
        let plan = planned(&service, offered(made()));
        let last = plan.actions.into_iter().last();
        let Some(Action::RemoveFinalizer { clear_status }) = last else {
            panic!("{last:?}");
        };
        clear_status
    };
    assert!(ended(Some("192.0.2.9")), "let go of, and then a crash");
    assert!(!ended(Some("192.0.2.77")), "only announced");
    assert!(!ended(None), "only announced");
}
