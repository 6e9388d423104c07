use super::*;

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
    assert!(inventory.load(stamp, vec![load_balancer("new", "2")]));
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
    assert!(inventory.load(stamp, stale));
    assert_eq!(id_of(&inventory, "deleted"), None);
    assert_eq!(id_of(&inventory, "created").as_deref(), Some("3"));
    assert_eq!(id_of(&inventory, "replaced").as_deref(), Some("4"));
}

#[test]
fn only_the_load_begun_last_counts() {
    let inventory = Inventory::new();
    let first = inventory.begin_load();
    inventory.forget(&LoadBalancerId::new("1"));
    let second = inventory.begin_load();
    assert!(!inventory.load(first, vec![load_balancer("deleted", "1")]));
    assert!(inventory.is_empty());
    inventory.clear();
    assert!(!inventory.load(second, vec![load_balancer("from before", "2")]));
    assert!(inventory.is_empty());
}
