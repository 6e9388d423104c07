//! What a preview needs to know of the cluster and the clouds. Sends only reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::{NodeCounts, Origin, Planned, Preview, manifest};
use crate::cloud::Cloud;
use crate::controller::attempt::{ObservedClouds, SpecHash};
use crate::controller::cloud_handle::CloudHandle;
use crate::controller::memory::left_calls::{LeftCalls, Tried};
use crate::controller::memory::pending_creates::PendingCreates;
use crate::controller::observe::cloud_query::{CloudQuery, QueryResult, Sources, cloud_queries};
use crate::controller::observe::{asked, or_unreachable};
use crate::kubernetes::node_watch::NodeSets;
use crate::kubernetes::service_object::Service;
use crate::kubernetes::{MetadataKeys, condition, service};
use crate::plan::kept::Unmet;
use crate::plan::naming::{CloudName, ClusterId, ServiceKey};
use crate::plan::node_choice;
use crate::plan::{KnownClouds, plan};
use crate::priority::Priority;
use crate::reason::Reason;

/// The longest time for the answer of one cloud about one Service: a person waits.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// What is known of the cluster and the clouds.
pub struct Survey {
    pub cluster: ClusterId,
    pub metadata_keys: MetadataKeys,
    /// What is known of what each cloud can do.
    pub capabilities: KnownClouds,
    /// Inventories of its own, so that a preview changes nothing that the controller uses.
    pub clouds: BTreeMap<CloudName, CloudHandle>,
    pub nodes: NodeSets,
    /// The clouds that did not answer: they are not asked about every other Service.
    pub out_of_reach: Mutex<BTreeMap<CloudName, String>>,
    /// Why these clouds, which answer otherwise, did not tell what they can do.
    pub silent: BTreeMap<CloudName, String>,
}

/// What a leader remembers of a Service.
#[derive(Default)]
pub struct Remembered {
    pub unmet: Unmet,
    pub pending_creates: PendingCreates,
}

impl Survey {
    /// A survey before anything is known of the clouds.
    pub fn new(
        cluster: ClusterId,
        metadata_keys: MetadataKeys,
        capabilities: KnownClouds,
        clients: impl IntoIterator<Item = (CloudName, Arc<dyn Cloud>)>,
        nodes: NodeSets,
    ) -> Self {
        let clouds = clients.into_iter().filter_map(|(name, client)| {
            let profile = capabilities.clouds.get(&name)?.clone();
            Some((name, CloudHandle::new(client, profile)))
        });
        let clouds = clouds.collect();
        Self {
            cluster,
            metadata_keys,
            capabilities,
            clouds,
            nodes,
            out_of_reach: Mutex::default(),
            silent: BTreeMap::new(),
        }
    }

    /// Asks the clouds that have not told yet what they can do.
    pub async fn ask_clouds(&mut self) {
        let untold = self.clouds.iter();
        let untold = untold.filter(|(name, _)| self.capabilities.untold.contains(*name));
        let questions = untold.map(|(name, cloud)| async move {
            let answer = timeout(ANSWER_LIMIT, cloud.client.capabilities()).await;
            (
                name.clone(),
                answer.map(|answer| answer.map(|told| cloud.told(told))),
            )
        });
        for (name, answer) in join_all(questions).await {
            let error = match answer {
                Ok(Ok((capabilities, _))) => {
                    self.capabilities.learn(name, capabilities);
                    continue;
                }
                Ok(Err(error)) if !is_out_of_reach(error.reason()) => {
                    self.silent.insert(name, error.to_string());
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => no_answer(&name),
            };
            self.out_of_reach.get_mut().insert(name, error);
        }
    }

    /// Lists each cloud that has a list, as a new leader does: one request instead of one
    /// for each Service.
    pub async fn list_clouds(&self) {
        let out_of_reach = self.out_of_reach.lock().clone();
        let clouds = self.clouds.iter();
        let clouds = clouds.filter(|(name, _)| !out_of_reach.contains_key(*name));
        let lists = clouds.map(|(name, cloud)| async move {
            let stamp = cloud.inventory.begin_load();
            match cloud.client.list(&self.cluster).await {
                // Rejected only if a later list began.
                Ok(found) => drop(cloud.inventory.load(stamp, &found)),
                Err(error) if is_out_of_reach(error.reason()) => {
                    let error = error.to_string();
                    self.out_of_reach.lock().insert(name.clone(), error);
                }
                // There is no list, or it is of no use: load balancers are queried.
                Err(_) => {}
            }
        });
        join_all(lists).await;
    }

    /// The plan for a Service, by the steps of a reconcile up to the plan.
    pub async fn preview(
        &self,
        object: &Service,
        origin: Origin,
        remembered: Remembered,
    ) -> Preview {
        let Some(mut view) = service::view(object, &self.metadata_keys) else {
            return unreadable(object);
        };
        if let Origin::Manifest {
            allocates_node_ports: true,
            ..
        } = origin
        {
            manifest::mark_unallocated(&mut view.ports);
        }
        let condition = condition::find(object, self.metadata_keys.condition());
        let (cluster, capabilities) = (&self.cluster, &self.capabilities);
        let desired = asked(&view, condition.is_some(), cluster, capabilities);
        let Remembered {
            unmet,
            pending_creates,
        } = remembered;
        // A preview leaves no call behind.
        let left_calls = LeftCalls::default();
        let sources = Sources {
            cluster,
            clouds: &self.clouds,
            pending_creates: &pending_creates,
            left_calls: &left_calls,
        };
        let queries = cloud_queries(&view, &desired, &capabilities.clouds, sources);
        let queries = queries.into_iter();
        let nodes = self.nodes.preview(&node_choice::chosen(&view));
        let tried = Tried {
            spec_hash: SpecHash::of(&view),
            nodes: nodes.version,
        };
        let answers = queries.map(|query| async move {
            let answer = self.answer(&query, tried).await;
            (query.name, answer)
        });
        let (answers, errors) = or_unreachable(join_all(answers).await);
        let backends = nodes.backends(view.ip_families);
        let clouds = ObservedClouds::of(&view, unmet, backends, answers);
        let desired = desired.refused(&clouds.observed).unwrap_or(desired);
        let plan = plan(&desired, &clouds.observed);
        Preview::Planned(Box::new(Planned {
            condition: condition.cloned(),
            origin,
            desired,
            observed: clouds.observed,
            nodes: NodeCounts {
                eligible: nodes.eligible,
                excluded: nodes.excluded,
            },
            plan,
            errors,
            disowned: clouds.disowned,
            prefix: self.metadata_keys.prefix().to_owned(),
            view,
        }))
    }

    async fn answer(&self, query: &CloudQuery<'_>, tried: Tried) -> Result<QueryResult, String> {
        if let Some(known) = query.known(true) {
            return Ok(known);
        }
        if let Some(error) = self.out_of_reach.lock().get(&query.name) {
            return Err(error.clone());
        }
        let error = match timeout(ANSWER_LIMIT, query.run(Priority::Background, tried)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if !is_out_of_reach(error.reason()) => return Err(error.to_string()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => no_answer(&query.name),
        };
        let mut out_of_reach = self.out_of_reach.lock();
        out_of_reach.insert(query.name.clone(), error.clone());
        Err(error)
    }
}

fn no_answer(cloud: &CloudName) -> String {
    format!("{cloud} did not answer within {ANSWER_LIMIT:?}")
}

/// Whether a question about another Service would fail in the same way.
fn is_out_of_reach(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::CloudUnavailable | Reason::CloudDenied | Reason::Timeout
    )
}

fn unreadable(object: &Service) -> Preview {
    let metadata = &object.metadata;
    Preview::Unreadable {
        key: ServiceKey {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        },
        fields: object.unreadable().to_vec(),
    }
}

#[cfg(test)]
mod tests;
