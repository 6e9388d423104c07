//! Steps one and two of a reconcile: what the Service asks for, and what the
//! clouds have for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Service;

use super::Context;
use super::cloud_handle::CloudHandle;
use super::doubts::PendingCreates;
use super::retry::SpecHash;
use crate::cloud::{CloudError, Priority, Which};
use crate::kubernetes::node_watch::NodeSet;
use crate::kubernetes::{condition, service};
use crate::plan::load_balancer::{LoadBalancer, State};
use crate::plan::naming::{CloudName, LoadBalancerId, LoadBalancerName, Owner};
use crate::plan::service::ServiceView;
use crate::plan::{CloudView, Desired, Observed, Release, clouds_to_query, desired};

/// A Service as it was read for one attempt.
pub struct ObservedService {
    /// The object that every write of the attempt starts from.
    pub object: Arc<Service>,
    /// What we read of it.
    pub view: ServiceView,
    /// What it asks for.
    pub desired: Desired,
    /// What a person decided.
    pub spec_hash: SpecHash,
    /// The Nodes; `None` until all are known.
    pub nodes: Option<NodeSet>,
    /// Whether our condition said that the load balancers serve.
    pub was_ready: bool,
}

impl ObservedService {
    /// Version of the Nodes; 0 while they are not known.
    pub fn nodes_version(&self) -> u64 {
        self.nodes.as_ref().map_or(0, |nodes| nodes.version)
    }
}

/// Why an attempt is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Nothing to read, or not all is known that is needed: a change brings the next.
    UntilChange,
    /// A delay is under way.
    For(Duration),
}

/// Reads the Service: no client, no request.
///
/// # Errors
/// [`NotNow`] if there is nothing to do before a change or the end of a delay.
pub fn observe_service(watched: Arc<Service>, context: &Context) -> Result<ObservedService, Skip> {
    let view = service::view(&watched, &context.metadata_keys).ok_or(Skip::UntilChange)?;
    let object = context.mutation_cache.newest(&view.uid, watched);
    let view = service::view(&object, &context.metadata_keys).ok_or(Skip::UntilChange)?;
    let input = SpecHash::of(&view);
    let nodes = context.nodes.borrow().clone();
    let version = nodes.as_ref().map_or(0, |nodes| nodes.version);
    if let Some(remaining) = context.requeue.remaining(&view.uid, input, version) {
        return Err(Skip::For(remaining));
    }
    let mut desired = desired(&view, &context.cluster, &context.capabilities);
    if let Desired::Unmanaged(reason) = desired {
        // A Service that could never be carried out has no finalizer of ours,
        // only the condition that said why.
        if view.deleting || condition::find(&object, context.metadata_keys.condition()).is_none() {
            tracing::trace!(?reason, "not ours");
            context.metrics.provisioning.forget(&view.uid);
            return Err(Skip::UntilChange);
        }
        desired = Desired::Released(Release::Stays(reason));
    }
    let before = condition::find(&object, context.metadata_keys.condition());
    Ok(ObservedService {
        was_ready: before.is_some_and(|condition| condition.status == "True"),
        object,
        view,
        desired,
        spec_hash: input,
        nodes,
    })
}

/// What was seen of the clouds.
pub struct ObservedClouds {
    /// For the plan.
    pub observed: Observed,
    /// The clouds that did not say, and why.
    pub failures: BTreeMap<CloudName, CloudError>,
    /// What the Service's annotations point to although it is not ours.
    pub disowned: Vec<(CloudName, LoadBalancerId)>,
}

/// Asks the clouds that matter for this Service, all at once.
///
/// # Errors
/// [`NotNow::Change`] while the Nodes are not known: a load balancer without
/// back ends would be created.
pub async fn observe_clouds(
    service: &ObservedService,
    context: &Context,
) -> Result<ObservedClouds, Skip> {
    let nodes = service.nodes.clone().ok_or(Skip::UntilChange)?;
    let mut seen = ObservedClouds {
        observed: Observed::of_service(&service.view, nodes.backends),
        failures: BTreeMap::new(),
        disowned: Vec::new(),
    };
    let answers = cloud_queries(service, context)
        .into_iter()
        .map(|look| async move {
            let view = look.run().await;
            (look, view)
        });
    for (look, view) in join_all(answers).await {
        let view = view.unwrap_or_else(|error| {
            seen.failures.insert(look.name.clone(), error);
            CloudAnswer {
                view: CloudView::Unreachable,
                disowned: None,
            }
        });
        seen.disowned
            .extend(view.disowned.map(|id| (look.name.clone(), id)));
        seen.observed.clouds.insert(look.name, view.view);
    }
    Ok(seen)
}

/// One cloud to look at for one Service.
struct CloudQuery<'a> {
    name: CloudName,
    /// `None`: not configured.
    cloud: Option<&'a CloudHandle>,
    service: &'a ServiceView,
    owner: Owner,
    load_balancer: LoadBalancerName,
    pending_creates: &'a PendingCreates,
    priority: Priority,
}

struct CloudAnswer {
    view: CloudView,
    disowned: Option<LoadBalancerId>,
}

fn cloud_queries<'a>(service: &'a ObservedService, context: &'a Context) -> Vec<CloudQuery<'a>> {
    if matches!(service.desired, Desired::Unmanaged(_) | Desired::Invalid(_)) {
        return Vec::new();
    }
    let owner = service.view.owner(&context.cluster);
    let load_balancer = owner.load_balancer_name();
    let mut names = clouds_to_query(&service.view, &service.desired, &context.capabilities);
    names.extend(context.pending_creates.clouds_for(&load_balancer));
    for (name, cloud) in &context.clouds {
        if cloud.inventory.find(&load_balancer).is_some() {
            names.insert(name.clone());
        }
    }
    let waits = !service.was_ready
        && !context
            .drift
            .is_queued(&service.view.uid, service.spec_hash);
    let urgent = waits || service.view.deleting;
    let look = |name: CloudName| CloudQuery {
        pending_creates: &context.pending_creates,
        cloud: context.clouds.get(&name),
        name,
        service: &service.view,
        owner: owner.clone(),
        load_balancer: load_balancer.clone(),
        priority: if urgent {
            Priority::User
        } else {
            Priority::Background
        },
    };
    names.into_iter().map(look).collect()
}

impl CloudQuery<'_> {
    async fn run(&self) -> Result<CloudAnswer, CloudError> {
        let found = |view| {
            Ok(CloudAnswer {
                view,
                disowned: None,
            })
        };
        let Some(cloud) = self.cloud else {
            return found(CloudView::NotConfigured);
        };
        let recorded = self.service.record.get(&self.name);
        if !self.service.finalizer && recorded.is_none() {
            // Our finalizer precedes every create: there can be none, and nobody need be asked.
            return found(CloudView::Absent);
        }
        cloud.listed().await;
        if let Some(known) = cloud.inventory.find(&self.load_balancer) {
            // What we cannot use, or may no longer be so, is asked for again.
            if is_settled(&known) && self.is_ours(&known) {
                return found(self.classify(known));
            }
            cloud.inventory.forget(&known.id);
        }
        let named = cloud
            .client
            .query(Which::Name(&self.load_balancer), self.priority)
            .await?;
        self.pending_creates
            .resolve(&self.name, &self.load_balancer);
        if let Some(named) = named {
            cloud.inventory.record(named.clone());
            return found(self.classify(named));
        }
        let Some(recorded) = recorded else {
            return found(CloudView::Absent);
        };
        match cloud
            .client
            .query(Which::Id(recorded), self.priority)
            .await?
        {
            None => found(CloudView::Absent),
            Some(by_id) if self.is_ours(&by_id) => found(CloudView::Present(Box::new(by_id))),
            Some(_) => Ok(CloudAnswer {
                view: CloudView::Absent,
                disowned: Some(recorded.clone()),
            }),
        }
    }

    fn classify(&self, found: LoadBalancer) -> CloudView {
        if self.is_ours(&found) {
            CloudView::Present(Box::new(found))
        } else {
            CloudView::NameTaken
        }
    }

    fn is_ours(&self, found: &LoadBalancer) -> bool {
        found.belongs_to(&self.owner)
    }
}

/// Whether there is nothing to wait for; of the others the cloud is asked again.
fn is_settled(known: &LoadBalancer) -> bool {
    known.state == State::Active && !known.addresses.is_empty()
}
