//! Queries one cloud for one Service: from the inventory if possible, otherwise by a
//! request.

use crate::cloud::{CloudError, Priority, Which};
use crate::controller::Context;
use crate::controller::attempt::ObservedService;
use crate::controller::cloud_handle::CloudHandle;
use crate::controller::memory::pending_creates::PendingCreates;
use crate::plan::load_balancer::{LoadBalancer, State};
use crate::plan::naming::{CloudName, LoadBalancerId, LoadBalancerName, Owner};
use crate::plan::service::ServiceView;
use crate::plan::{CloudView, Desired, clouds_to_query};

/// A query of one cloud for one Service.
pub(super) struct CloudQuery<'a> {
    pub(super) name: CloudName,
    /// `None` if the cloud is not configured.
    cloud: Option<&'a CloudHandle>,
    service: &'a ServiceView,
    owner: Owner,
    load_balancer: LoadBalancerName,
    pending_creates: &'a PendingCreates,
    priority: Priority,
}

/// The result of a query.
pub(super) struct QueryResult {
    pub(super) view: CloudView,
    /// The load balancer that the record names, if it belongs to another owner.
    pub(super) disowned: Option<LoadBalancerId>,
}

impl From<CloudView> for QueryResult {
    fn from(view: CloudView) -> Self {
        let disowned = None;
        Self { view, disowned }
    }
}

/// The queries for a Service: of the clouds that it names, and those that its record,
/// the pending creates or an inventory has a load balancer on.
pub(super) fn cloud_queries<'a>(
    service: &'a ObservedService,
    context: &'a Context,
) -> Vec<CloudQuery<'a>> {
    if matches!(service.desired, Desired::Unmanaged(_) | Desired::Invalid(_)) {
        return Vec::new();
    }
    let (view, memory) = (&service.view, &context.memory);
    let owner = view.owner(&context.cluster);
    let load_balancer = owner.load_balancer_name();
    let mut names = clouds_to_query(view, &service.desired, &context.capabilities);
    names.extend(memory.pending_creates.clouds_for(&view.uid));
    for (name, cloud) in &context.clouds {
        if cloud.inventory.find(&load_balancer).is_some() {
            names.insert(name.clone());
        }
    }
    let is_repair = memory.drift.is_queued(&view.uid, service.spec_hash);
    let a_user_waits = view.deleting || (!service.was_ready && !is_repair);
    let query = |name: CloudName| CloudQuery {
        pending_creates: &memory.pending_creates,
        cloud: context.clouds.get(&name),
        name,
        service: view,
        owner: owner.clone(),
        load_balancer: load_balancer.clone(),
        priority: if a_user_waits {
            Priority::User
        } else {
            Priority::Background
        },
    };
    names.into_iter().map(query).collect()
}

impl CloudQuery<'_> {
    pub(super) async fn run(&self) -> Result<QueryResult, CloudError> {
        let Some(cloud) = self.cloud else {
            return Ok(CloudView::NotConfigured.into());
        };
        let recorded = self.service.record.get(&self.name);
        if !self.service.finalizer && recorded.is_none() {
            // Our finalizer precedes every create, so there is no load balancer.
            return Ok(CloudView::Absent.into());
        }
        cloud.wait_for_first_list().await;
        if let Some(known) = cloud.inventory.find(&self.load_balancer) {
            // A load balancer that does not serve, or whose owner changed, is queried again.
            if is_serving(&known) && self.is_ours(&known) {
                return Ok(self.classify(known).into());
            }
            cloud.inventory.forget(&known.id);
        }
        let by_name = Which::Name(&self.load_balancer);
        let named = cloud.client.query(by_name, self.priority).await?;
        self.pending_creates.resolve(&self.service.uid, &self.name);
        if let Some(named) = named {
            cloud.inventory.record(named.clone());
            return Ok(self.classify(named).into());
        }
        match recorded {
            None => Ok(CloudView::Absent.into()),
            Some(id) => self.query_by_id(cloud, id).await,
        }
    }

    /// Finds a load balancer that was renamed at the cloud by its recorded id.
    async fn query_by_id(
        &self,
        cloud: &CloudHandle,
        id: &LoadBalancerId,
    ) -> Result<QueryResult, CloudError> {
        let found = cloud.client.query(Which::Id(id), self.priority).await?;
        Ok(match found {
            None => CloudView::Absent.into(),
            Some(found) if self.is_ours(&found) => CloudView::Present(Box::new(found)).into(),
            Some(_) => QueryResult {
                view: CloudView::Absent,
                disowned: Some(id.clone()),
            },
        })
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

fn is_serving(known: &LoadBalancer) -> bool {
    known.state == State::Active && !known.addresses.is_empty()
}
