use super::*;
use crate::cloud::Outline;

fn name(text: &str) -> LoadBalancerName {
    LoadBalancerName::new(text)
}

fn load_balancer(called: &str, id: &str) -> LoadBalancer {
    LoadBalancer::plain(id, name(called), None)
}

fn id_of(inventory: &Inventory, called: &str) -> Option<String> {
    inventory
        .find(&name(called))
        .map(|found| found.id.as_str().to_owned())
}

#[test]
fn a_list_replaces_what_was_known_before() {
    let inventory = Inventory::new();
    inventory.record(load_balancer("old", "1"));
    let stamp = inventory.begin_load();
    assert!(inventory.load(stamp, &vec![load_balancer("new", "2")].into()));
    assert_eq!(id_of(&inventory, "new").as_deref(), Some("2"));
    assert_eq!(id_of(&inventory, "old"), None);
}

#[test]
fn a_list_does_not_undo_what_happened_since_it_began() {
    let inventory = Inventory::new();
    inventory.record(load_balancer("deleted", "1"));
    inventory.record(load_balancer("replaced", "2"));
    let stamp = inventory.begin_load();
    inventory.forget(&LoadBalancerId::new("1"));
    inventory.record(load_balancer("created", "3"));
    inventory.forget(&LoadBalancerId::new("2"));
    inventory.record(load_balancer("replaced", "4"));
    let stale = vec![
        load_balancer("deleted", "1"),
        load_balancer("replaced", "2"),
    ];
    assert!(inventory.load(stamp, &stale.into()));
    assert_eq!(id_of(&inventory, "deleted"), None);
    assert_eq!(id_of(&inventory, "created").as_deref(), Some("3"));
    assert_eq!(id_of(&inventory, "replaced").as_deref(), Some("4"));
}

#[test]
fn a_renamed_load_balancer_has_only_its_new_name() {
    let inventory = Inventory::new();
    inventory.record(load_balancer("derived", "1"));
    let stamp = inventory.begin_load();
    inventory.record(load_balancer("by hand", "1"));
    assert!(!inventory.contains(&name("derived")));
    let stale = vec![load_balancer("derived", "1"), load_balancer("other", "2")];
    assert!(inventory.load(stamp, &stale.into()));
    assert_eq!(id_of(&inventory, "derived"), None, "the list is older");
    assert_eq!(id_of(&inventory, "by hand").as_deref(), Some("1"));
    assert_eq!(inventory.len(), 2);
}

#[test]
fn an_id_leads_to_the_load_balancer_that_has_it_now() {
    let inventory = Inventory::new();
    inventory.record(load_balancer("web", "1"));
    inventory.record(load_balancer("web", "2"));
    inventory.forget(&LoadBalancerId::new("1"));
    assert_eq!(id_of(&inventory, "web").as_deref(), Some("2"), "recreated");
    let stamp = inventory.begin_load();
    assert!(inventory.load(stamp, &vec![load_balancer("dns", "3")].into()));
    inventory.record(load_balancer("web", "4"));
    inventory.forget(&LoadBalancerId::new("2"));
    inventory.forget(&LoadBalancerId::new("3"));
    assert_eq!(id_of(&inventory, "web").as_deref(), Some("4"));
    assert_eq!(inventory.len(), 1);
}

#[test]
fn only_the_load_begun_last_counts() {
    let inventory = Inventory::new();
    let first = inventory.begin_load();
    inventory.forget(&LoadBalancerId::new("1"));
    let second = inventory.begin_load();
    assert!(!inventory.load(first, &vec![load_balancer("deleted", "1")].into()));
    assert!(inventory.is_empty());
    inventory.clear();
    assert!(!inventory.load(second, &vec![load_balancer("from before", "2")].into()));
    assert!(inventory.is_empty());
}

#[test]
fn what_only_the_answer_to_a_create_has_is_not_shown() {
    let inventory = Inventory::new();
    let created = load_balancer("web", "lb-1");
    inventory.record_created(created.clone());
    assert!(!inventory.is_shown(&created.id));
    assert_eq!(inventory.find(&created.name), Some(created.clone()));
    inventory.record(created.clone());
    assert!(inventory.is_shown(&created.id), "a query");
    inventory.record_created(created.clone());
    let stamp = inventory.begin_load();
    assert!(inventory.load(stamp, &vec![created.clone()].into()));
    assert!(inventory.is_shown(&created.id), "a list");
    assert_eq!(inventory.find(&created.name), Some(created));
}

#[test]
fn a_load_balancer_without_its_spec_is_known_to_exist_and_has_to_be_queried() {
    let inventory = Inventory::new();
    inventory.record(load_balancer("large", "1"));
    let stamp = inventory.begin_load();
    let list = Listed {
        whole: vec![load_balancer("small", "2").into()],
        outlines: vec![Outline::of(load_balancer("large", "1"))],
    };
    assert!(inventory.load(stamp, &list));
    assert_eq!(id_of(&inventory, "small").as_deref(), Some("2"));
    assert_eq!(id_of(&inventory, "large"), None, "its spec is not known");
    assert!(inventory.contains(&name("large")));
    assert!(inventory.is_shown(&LoadBalancerId::new("1")));
    assert_eq!(inventory.len(), 2);

    inventory.record(load_balancer("large", "1"));
    assert_eq!(id_of(&inventory, "large").as_deref(), Some("1"));
    // What is known since the list began is newer.
    let stamp = inventory.begin_load();
    inventory.record(load_balancer("large", "1"));
    assert!(inventory.load(stamp, &list));
    assert_eq!(id_of(&inventory, "large").as_deref(), Some("1"));

    inventory.forget_name(&name("large"));
    assert!(!inventory.contains(&name("large")));
    assert!(!inventory.is_shown(&LoadBalancerId::new("1")));
}
