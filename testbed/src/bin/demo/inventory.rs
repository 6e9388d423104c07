//! What the clouds have.

use testbed::Environment;
use testbed::cloud::{CloudSimulator, LoadBalancer};

use crate::stage::Stage;

/// Cloud and load balancer, cloud1 first.
pub fn load_balancers(environment: &Environment) -> Vec<(String, LoadBalancer)> {
    let of = |cloud: &CloudSimulator| {
        let name = cloud.name().to_owned();
        let entries = cloud.inventory().into_iter();
        entries.map(move |entry| (name.clone(), entry))
    };
    environment.clouds().into_iter().flat_map(of).collect()
}

/// UID of the Service that owns a load balancer.
pub fn owner_uid(load_balancer: &LoadBalancer) -> Option<&str> {
    Some(load_balancer.owner.as_ref()?.uid.as_str())
}

/// Prints a table of them.
pub fn show(stage: &Stage, environment: &Environment) {
    let rows: Vec<_> = load_balancers(environment)
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
