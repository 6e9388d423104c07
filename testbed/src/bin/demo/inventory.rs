//! What the clouds have, and what they were asked.

use testbed::cloud::{CloudSimulator, Event, LoadBalancer};

use crate::stage::Stage;

/// Cloud and load balancer, cloud1 first.
pub fn load_balancers(clouds: &[CloudSimulator]) -> Vec<(String, LoadBalancer)> {
    let of = |cloud: &CloudSimulator| {
        let name = cloud.name().to_owned();
        let entries = cloud.inventory().into_iter();
        entries.map(move |entry| (name.clone(), entry))
    };
    clouds.iter().flat_map(of).collect()
}

/// All calls that meant to change something, of all clouds, in order of arrival.
pub fn writes(clouds: &[CloudSimulator]) -> Vec<Event> {
    let mut writes: Vec<Event> = clouds.iter().flat_map(CloudSimulator::mutations).collect();
    writes.sort_by_key(|event| event.at);
    writes
}

/// UID of the Service that a load balancer is for.
pub fn owner_uid(load_balancer: &LoadBalancer) -> Option<&str> {
    Some(load_balancer.owner.as_ref()?.uid.as_str())
}

/// Prints it.
pub fn show(stage: &Stage, clouds: &[CloudSimulator]) {
    let rows: Vec<_> = load_balancers(clouds)
        .into_iter()
        .map(|(cloud, entry)| {
            let settings = &entry.settings;
            let owner = entry.owner.as_ref();
            [
                cloud,
                entry.id,
                entry.name,
                entry.ip.map_or("-".into(), |ip| ip.to_string()),
                settings.spec.clone(),
                settings.bandwidth.clone(),
                settings.nodes.len().to_string(),
                owner.map_or("-".into(), |owner| {
                    format!("{}/{}", owner.namespace, owner.name)
                }),
            ]
        })
        .collect();
    let heads = [
        "CLOUD",
        "ID",
        "NAME",
        "ADDRESS",
        "SPEC",
        "BANDWIDTH",
        "NODES",
        "SERVICE",
    ];
    stage.table(heads, &rows);
}
