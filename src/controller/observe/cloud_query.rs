//! Queries one cloud for one Service: from the inventory if possible, otherwise by a
//! request.

use std::collections::BTreeMap;

use crate::cloud::{CloudError, Which};
use crate::controller::cloud_handle::CloudHandle;
use crate::controller::memory::left_calls::{LeftCalls, OutdatedFailure, Taken, Tried};
use crate::controller::memory::pending_creates::PendingCreates;
use crate::plan::existing;
use crate::plan::load_balancer::{LoadBalancer, State};
use crate::plan::naming::{CloudName, ClusterId, LoadBalancerId, LoadBalancerName, Owner};
use crate::plan::service::ServiceView;
use crate::plan::{CloudView, Clouds, Desired, clouds_to_query};
use crate::priority::Priority;

/// What is known of the clouds before any of them is queried.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    pub cluster: &'a ClusterId,
    pub clouds: &'a BTreeMap<CloudName, CloudHandle>,
    pub pending_creates: &'a PendingCreates,
    pub left_calls: &'a LeftCalls,
}

/// A query of one cloud for one Service.
pub struct CloudQuery<'a> {
    pub name: CloudName,
    /// `None` if the cloud is not configured.
    cloud: Option<&'a CloudHandle>,
    service: &'a ServiceView,
    owner: Owner,
    load_balancer: LoadBalancerName,
    /// What `existing-lb` names on this cloud.
    existing: Option<LoadBalancerId>,
    pending_creates: &'a PendingCreates,
    left_calls: &'a LeftCalls,
    rests: bool,
}

/// The result of a query.
pub struct QueryResult {
    pub view: CloudView,
    /// The load balancer that the record names, if it belongs to another owner.
    pub disowned: Option<LoadBalancerId>,
    /// An update of before that failed meanwhile.
    pub outdated: Option<OutdatedFailure>,
}

impl From<CloudView> for QueryResult {
    fn from(view: CloudView) -> Self {
        Self {
            view,
            disowned: None,
            outdated: None,
        }
    }
}

/// The queries for a Service: of the clouds that it names, and those that its record,
/// the pending creates, the calls left behind or an inventory may have a load balancer on.
pub fn cloud_queries<'a>(
    view: &'a ServiceView,
    desired: &Desired,
    capabilities: &Clouds,
    sources: Sources<'a>,
) -> Vec<CloudQuery<'a>> {
    // A paused Service costs nothing; what was under way is found when it goes on.
    if matches!(desired, Desired::Unmanaged(_) | Desired::Paused) {
        return Vec::new();
    }
    let owner = view.owner(sources.cluster);
    let load_balancer = owner.load_balancer_name();
    let mut names = clouds_to_query(view, desired, capabilities);
    names.extend(sources.pending_creates.clouds_for(&view.uid));
    names.extend(sources.left_calls.clouds_for(&view.uid));
    for (name, cloud) in sources.clouds {
        if cloud.inventory.contains(&load_balancer) {
            names.insert(name.clone());
        }
    }
    let existing = |name: &CloudName| match desired {
        Desired::Managed(wanted) if wanted.clouds.contains(name) => wanted.existing().cloned(),
        // Somebody may have removed the record that led to it.
        Desired::Released(..) if view.finalizer => existing::named(view, name),
        _ => None,
    };
    let query = |name: CloudName| CloudQuery {
        existing: existing(&name),
        pending_creates: sources.pending_creates,
        left_calls: sources.left_calls,
        cloud: sources.clouds.get(&name),
        name,
        service: view,
        owner: owner.clone(),
        load_balancer: load_balancer.clone(),
        rests: false,
    };
    names.into_iter().map(query).collect()
}

impl CloudQuery<'_> {
    /// The query of a cloud that is not called before its backoff has ended.
    pub fn rest(&mut self) {
        self.rests = true;
    }

    /// Whether the attempt may call the cloud.
    pub fn may_call(&self) -> bool {
        self.cloud.is_some() && !self.is_left_out()
    }

    /// Whether the attempt goes on without the cloud: an earlier attempt has left a call
    /// behind that has not ended, or the cloud rests.
    fn is_left_out(&self) -> bool {
        let (calls, uid) = (self.left_calls, &self.service.uid);
        calls.is_under_way(uid, &self.name) || (self.rests && !calls.has_ended(uid, &self.name))
    }

    /// The result without a call; `None` if the cloud has to be queried, for example
    /// because the load balancer does not serve or its owner has changed.
    pub fn known(&self, is_listed: bool) -> Option<QueryResult> {
        let Some(cloud) = self.cloud else {
            return Some(CloudView::NotConfigured.into());
        };
        if self.is_left_out() {
            return Some(CloudView::Unanswered.into());
        }
        if self.left_calls.has_ended(&self.service.uid, &self.name) {
            return None;
        }
        if !self.service.finalizer && !self.may_have_created() && self.existing.is_none() {
            // Finalizer and announcement precede every create, so there is no load balancer.
            return Some(CloudView::Absent.into());
        }
        let recorded = self.service.record.get(&self.name);
        let is_recorded = |known: &LoadBalancer| recorded.is_none_or(|id| *id == known.id);
        let known = cloud.inventory.find(&self.load_balancer);
        let known = known.filter(|known| {
            is_listed && is_serving(known) && self.is_ours(known) && is_recorded(known)
        });
        known.map(|known| CloudView::Present(Box::new(known)).into())
    }

    /// Whether a create on this cloud may have been sent, even if somebody has taken our
    /// finalizer away since.
    fn may_have_created(&self) -> bool {
        let pending = || self.pending_creates.clouds_for(&self.service.uid);
        self.service.record.has(&self.name) || pending().contains(&self.name)
    }

    /// Asks the cloud; `now` is what an update would be for.
    ///
    /// # Errors
    /// That of the query, or of a call that was left behind.
    pub async fn run(&self, priority: Priority, now: Tried) -> Result<QueryResult, CloudError> {
        if let Some(known) = self.known(true) {
            return Ok(known);
        }
        let taken = self.left_calls.take(&self.service.uid, &self.name, now);
        let outdated = match taken {
            None => return self.ask(priority).await,
            Some(Taken::Outdated(failure)) => Some(failure),
            Some(Taken::Answer(answer)) => match answer? {
                Some(result) if !self.is_outdated(&result.view) => return Ok(result),
                Some(result) => result.outdated,
                None => None,
            },
        };
        // It changed something, or the answer is old, and the inventory may know more.
        let result = match self.known(true) {
            Some(known) => known,
            None => self.ask(priority).await?,
        };
        Ok(QueryResult { outdated, ..result })
    }

    async fn ask(&self, priority: Priority) -> Result<QueryResult, CloudError> {
        let Some(cloud) = self.cloud else {
            return Ok(CloudView::NotConfigured.into());
        };
        cloud.inventory.forget_name(&self.load_balancer);
        let by_name = Which::Name(&self.load_balancer);
        let named = cloud.client.query(by_name, priority).await?;
        self.pending_creates.resolve(&self.service.uid, &self.name);
        match (named, self.service.record.get(&self.name)) {
            (None, None) => self.query_existing(cloud, priority).await,
            (None, Some(id)) => self.query_by_id(cloud, id, priority).await,
            (Some(named), Some(id)) if named.id != *id => {
                self.prefer_recorded(cloud, named, id, priority).await
            }
            (Some(named), _) => self.found(cloud, named, priority).await,
        }
    }

    /// Whether the inventory knows something newer than an earlier answer, from a list.
    fn is_outdated(&self, answer: &CloudView) -> bool {
        let Some(inventory) = self.cloud.map(|cloud| &cloud.inventory) else {
            return false;
        };
        match answer {
            CloudView::Present(found) if found.name == self.load_balancer => {
                inventory.find(&self.load_balancer).as_ref() != Some(&**found)
            }
            // A list may have shown that it is there and no more.
            CloudView::Absent => inventory.contains(&self.load_balancer),
            _ => false,
        }
    }

    /// What a load balancer with our name is to the Service. One that is not ours takes nothing
    /// from a Service that asks for one of others: none is created under the name. It may be the
    /// very one, which was retained.
    async fn found(
        &self,
        cloud: &CloudHandle,
        named: LoadBalancer,
        priority: Priority,
    ) -> Result<QueryResult, CloudError> {
        cloud.inventory.record(named.clone());
        match self.classify(named) {
            CloudView::NameTaken if self.existing.is_some() => {
                self.query_existing(cloud, priority).await
            }
            view => Ok(view.into()),
        }
    }

    /// Of two load balancers with the name and the owner, the recorded one counts: its
    /// address is in use. The sweep deletes the other.
    async fn prefer_recorded(
        &self,
        cloud: &CloudHandle,
        named: LoadBalancer,
        id: &LoadBalancerId,
        priority: Priority,
    ) -> Result<QueryResult, CloudError> {
        let recorded = match cloud.client.query(Which::Id(id), priority).await {
            // A record that a user wrote may have an id that no cloud accepts.
            Err(error) if error.is_terminal() => None,
            recorded => recorded?,
        };
        let Some(recorded) = recorded else {
            return self.found(cloud, named, priority).await;
        };
        if self.is_attached(&recorded) {
            return Ok(CloudView::Present(Box::new(recorded)).into());
        }
        let is_other_than_ours = !self.is_ours(&recorded);
        if is_other_than_ours || recorded.name != named.name || recorded.state == State::Deleting {
            return Ok(QueryResult {
                disowned: is_other_than_ours.then(|| id.clone()),
                ..self.found(cloud, named, priority).await?
            });
        }
        self.found(cloud, recorded, priority).await
    }

    /// Finds a load balancer that was renamed at the cloud by its recorded id.
    async fn query_by_id(
        &self,
        cloud: &CloudHandle,
        id: &LoadBalancerId,
        priority: Priority,
    ) -> Result<QueryResult, CloudError> {
        if self.existing.as_ref() == Some(id) {
            return self.query_existing(cloud, priority).await;
        }
        let found = cloud.client.query(Which::Id(id), priority).await?;
        Ok(match found {
            None => self.query_existing(cloud, priority).await?,
            Some(found) if self.is_ours(&found) || self.is_attached(&found) => {
                CloudView::Present(Box::new(found)).into()
            }
            Some(_) => QueryResult {
                disowned: Some(id.clone()),
                ..self.query_existing(cloud, priority).await?
            },
        })
    }

    /// Looks at what `existing-lb` names, if the Service has nothing else on this cloud.
    async fn query_existing(
        &self,
        cloud: &CloudHandle,
        priority: Priority,
    ) -> Result<QueryResult, CloudError> {
        let Some(id) = &self.existing else {
            return Ok(CloudView::Absent.into());
        };
        let found = cloud.client.query(Which::Id(id), priority).await?;
        let view = match found {
            None => CloudView::Absent,
            Some(found) if self.is_attached(&found) => CloudView::Present(Box::new(found)),
            Some(found) if found.is_nobodys() => CloudView::Offered(Box::new(found)),
            Some(_) => CloudView::NameTaken,
        };
        Ok(view.into())
    }

    fn classify(&self, found: LoadBalancer) -> CloudView {
        if self.is_ours(&found) || self.is_attached(&found) {
            CloudView::Present(Box::new(found))
        } else {
            CloudView::NameTaken
        }
    }

    /// Whether others made it and the Service is attached to it.
    fn is_attached(&self, found: &LoadBalancer) -> bool {
        let owner = found.existing_owner();
        owner.is_some_and(|owner| owner.is_same_service(&self.owner.clone().on_existing()))
    }

    fn is_ours(&self, found: &LoadBalancer) -> bool {
        found.belongs_to(&self.owner)
    }
}

fn is_serving(known: &LoadBalancer) -> bool {
    known.state == State::Active && !known.addresses.is_empty()
}
