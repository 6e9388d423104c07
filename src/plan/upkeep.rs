//! What a load balancer gets whatever else of its Service has to wait: the Nodes, and how they
//! are reached and asked whether they serve.
//!
//! Where something is invalid, refused or not answered yet, all the rest stays as it is. That
//! does not do for a node port and a health check: once the API server has freed the old port,
//! a load balancer that still had it would reach nobody, or find no Node healthy.

use std::collections::BTreeSet;

use serde::Serialize;

use super::action::{Action, Urgency, Waiting};
use super::backends::backends;
use super::capabilities::{Clouds, Feature};
use super::declared::{Problems, template};
use super::load_balancer::{Listener, LoadBalancer, LoadBalancerSpec, State};
use super::mutations::{is_new, request_for, request_with_nodes, without_gone_nodes};
use super::naming::{CloudName, ClusterId, Owner};
use super::observed::Observed;
use super::service::ServiceView;

/// What a Service declares for the upkeep of its load balancers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Upkeep {
    pub owner: Owner,
    /// Those that the Service declares without a mistake. A health check with a mistake is
    /// unspecified.
    pub(super) listeners: Vec<Listener>,
    /// The clouds that give each listener the health check that it asks for.
    pub(super) checking: BTreeSet<CloudName>,
}

impl Upkeep {
    /// The upkeep of a Service with a mistake somewhere.
    pub(super) fn declared(service: &ServiceView, cluster: &ClusterId, clouds: &Clouds) -> Self {
        Self::of(service, cluster, clouds, || {
            template(service, &mut Problems::default()).listeners
        })
    }

    /// The same with these listeners of the Service.
    pub(super) fn of(
        service: &ServiceView,
        cluster: &ClusterId,
        clouds: &Clouds,
        listeners: impl FnOnce() -> Vec<Listener>,
    ) -> Self {
        // Ports, or annotations about health checks, may be among what is missing.
        let is_whole = service.too_large.is_empty();
        Self {
            owner: service.owner(cluster),
            listeners: is_whole.then(listeners).unwrap_or_default(),
            checking: checking(clouds),
        }
    }

    /// The listeners of a load balancer, with the node ports and the health checks of now.
    fn listeners_of(&self, cloud: &CloudName, found: &LoadBalancer) -> Vec<Listener> {
        // On one that others made, the listeners of this Service are told by their names.
        let attached = found.existing_owner();
        let is_ours =
            |shown: &Listener| attached.is_none_or(|owner| owner.has_listener(&shown.name));
        let of_now = |shown: &Listener| {
            let mut declared = self.listeners.iter();
            let declared = declared.find(|declared| declared.is_same_port(shown));
            let mut now = shown.clone();
            let Some(declared) = declared.filter(|_| is_ours(shown)) else {
                return now;
            };
            now.node_port = declared.node_port;
            // One that exists is kept up, although the cloud may tell by now that it gives none.
            let is_checked = self.checking.contains(cloud) || !shown.health_check.is_unspecified();
            if is_checked && !declared.health_check.is_unspecified() {
                now.health_check.clone_from(&declared.health_check);
            }
            now
        };
        found.spec.listeners.iter().map(of_now).collect()
    }
}

/// The clouds that give a listener the health check that it asks for.
pub(super) fn checking(clouds: &Clouds) -> BTreeSet<CloudName> {
    let able = clouds
        .iter()
        .filter(|(_, can)| can.has(Feature::HealthChecks));
    able.map(|(cloud, _)| cloud.clone()).collect()
}

/// The update that a load balancer needs to go on serving; `None` if it needs none.
///
/// # Errors
/// It has values that are not known here, which an update would take from it.
pub(super) fn keep_up(
    upkeep: &Upkeep,
    cloud: &CloudName,
    found: &LoadBalancer,
    observed: &Observed,
) -> Result<Option<Action>, Waiting> {
    if found.state == State::Deleting {
        return Ok(None);
    }
    let second = observed.backends.second.as_ref();
    let is_dual = second.is_some_and(|second| found.has_family(second.backends.family));
    let nodes = backends(observed, found, is_dual);
    let read = observed.as_requested(cloud, found);
    let only_nodes = read.spec_with_nodes(&nodes);
    let spec = LoadBalancerSpec {
        listeners: upkeep.listeners_of(cloud, &read),
        ..only_nodes.clone()
    };
    let is_reached = spec.listeners == only_nodes.listeners;
    if is_reached && found.spec.nodes == nodes {
        return Ok(None);
    }
    let owner = &upkeep.owner;
    let Some(of_nodes) = request_with_nodes(owner, &read, &nodes) else {
        return Err(Waiting::NotUnderstood(cloud.clone()));
    };
    let without_gone = without_gone_nodes(owner, &read, &nodes);
    let (request, urgency, fallback) = if is_reached {
        (of_nodes, Urgency::Background, None)
    } else {
        let request = request_for(&read, of_nodes.owner.clone(), spec);
        let fallback = Some(of_nodes).filter(|_| found.spec.nodes != nodes);
        (request, Urgency::User, fallback)
    };
    let update = Action::Update {
        cloud: cloud.clone(),
        id: found.id.clone(),
        request,
        fallbacks: fallback.into_iter().chain(without_gone).collect(),
        urgency,
    };
    Ok(Some(update).filter(|update| is_new(update, found, observed)))
}
