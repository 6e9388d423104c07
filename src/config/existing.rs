//! The load balancers of the configuration file that others made.

use super::error::{ConfigErrors, Violation, quote};
use super::fields::Fields;
use super::validation;
use super::yaml::Node;
use crate::cloud::RestSettings;
use crate::plan::existing::{Offer, Offers};
use crate::plan::naming::{CloudName, LoadBalancerId};

pub(super) const FIELDS: [&str; 3] = ["cloud", "id", "namespaces"];

/// The most load balancers in the list, and the most namespaces of each: each Service looks its
/// namespace up at each attempt, and people read the list.
const LIMIT: usize = 256;

/// Reads the load balancers of the list. One without a valid cloud and id is left out; errors
/// are added to `errors`.
pub(super) fn read(
    file: &str,
    parent: &Fields<'_>,
    nodes: &[Node],
    clouds: &[RestSettings],
    errors: &mut ConfigErrors,
) -> Offers {
    let too_many = |number: usize| (number > LIMIT).then(|| format!("{number} entries"));
    let rule = format!("at most {LIMIT} are possible");
    if let Some(found) = too_many(nodes.len()) {
        errors.add(parent.place("existingLoadBalancers"), found, rule.clone());
    }
    let mut offers = Offers::new();
    for (index, node) in nodes.iter().take(LIMIT).enumerate() {
        let path = format!("existingLoadBalancers[{index}]");
        let Some(section) = Fields::open(file, &path, node, &FIELDS, errors) else {
            continue;
        };
        let before = errors.len();
        let cloud = section.read("cloud", configured(clouds), errors);
        let id = section.read("id", id, errors);
        let namespaces = section.read_list("namespaces", validation::dns_label, errors);
        if let Some(found) = too_many(namespaces.len()) {
            errors.add(section.place("namespaces"), found, rule.clone());
        }
        let (Some(cloud), Some(id), false) = (cloud, id, namespaces.is_empty()) else {
            if errors.len() == before {
                let rule = "every existing load balancer needs a cloud, an id and at least one \
                            namespace whose Services may be attached to it";
                errors.add(section.place("id"), "nothing", rule);
            }
            continue;
        };
        let offer = Offer { cloud, id };
        if offers.values().any(|known| known.contains(&offer)) {
            let rule = "another entry has this load balancer";
            errors.add(section.place("id"), quote(offer.id.as_str()), rule);
        }
        for namespace in namespaces.into_iter().take(LIMIT) {
            let known = offers.entry(namespace).or_default();
            known.insert(offer.clone());
        }
    }
    offers
}

fn id(text: &str) -> Result<LoadBalancerId, Violation> {
    LoadBalancerId::parse(text).map_err(Violation::new)
}

/// The name of a configured cloud.
fn configured(clouds: &[RestSettings]) -> impl Fn(&str) -> Result<CloudName, Violation> {
    move |text| {
        let mut names = clouds.iter().map(|cloud| &cloud.name);
        if let Some(name) = names.find(|name| name.as_str() == text) {
            return Ok(name.clone());
        }
        let names: Vec<&str> = clouds.iter().map(|cloud| cloud.name.as_str()).collect();
        Err(Violation::new(format!(
            "it must be one of {}",
            names.join(", ")
        )))
    }
}
