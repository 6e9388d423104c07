//! What a Service would lose if a plan were applied.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::plan::naming::{CloudName, LoadBalancerId};
use crate::plan::{Action, Observed, Plan};

/// A part of a Service that would be lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "lost")]
pub enum Loss {
    /// The load balancer would be deleted.
    LoadBalancer {
        cloud: CloudName,
        id: LoadBalancerId,
    },
    /// The address would leave the status of the Service, now or when the load balancers
    /// that are created serve.
    Address { address: String },
}

/// What the plan would take from the Service.
pub fn losses(observed: &Observed, plan: &Plan) -> Vec<Loss> {
    let deleted = plan.actions.iter().filter_map(|action| match action {
        Action::Delete { cloud, id } => Some(Loss::LoadBalancer {
            cloud: cloud.clone(),
            id: id.clone(),
        }),
        _ => None,
    });
    deleted.chain(lost_addresses(observed, plan)).collect()
}

fn lost_addresses(observed: &Observed, plan: &Plan) -> Vec<Loss> {
    let created: BTreeSet<&CloudName> = plan
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::Create { cloud, .. } => Some(cloud),
            // One that others made has its own.
            Action::Update { cloud, .. } if observed.offered(cloud).is_some() => Some(cloud),
            _ => None,
        })
        .collect();
    let after = plan.actions.iter().find_map(|action| match action {
        Action::RemoveFinalizer { clear_status } => clear_status.then(Vec::new),
        // A new load balancer has a new address.
        Action::Publish { clouds, withheld } => {
            let stay = clouds.iter().filter(|cloud| !created.contains(cloud));
            let stay = stay.cloned().collect();
            Some(observed.publication_without(&stay, withheld).ingress)
        }
        _ => None,
    });
    let Some(after) = after else {
        return Vec::new();
    };
    let lost = observed.ingress.iter().filter(|now| !after.contains(now));
    lost.map(|address| Loss::Address {
        address: address.to_string(),
    })
    .collect()
}

#[cfg(test)]
mod tests;
