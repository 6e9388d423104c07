//! Which guarantees held, judged at the end by what everybody can see: the
//! clouds' logs and inventories, the API objects, the audit log.

mod clouds;
mod kubernetes;

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::events::v1::Event as KubernetesEvent;
use kube::Api;
use kube::api::ListParams;
use testbed::cloud::{Event, LoadBalancer};
use testbed::control_plane::AuditEvent;

use crate::facts::Facts;
use crate::stage::Stage;
use crate::world::World;
use crate::{audit, inventory, services};

/// Events are written beside the work, a moment later.
const EVENTS: Duration = Duration::from_secs(10);

/// Whether a guarantee held.
pub struct Verdict {
    /// Its name.
    pub guarantee: &'static str,
    /// Whether it did.
    pub held: bool,
    /// What was looked at.
    pub because: String,
}

/// What there is to look at.
struct Evidence<'a> {
    facts: &'a Facts,
    /// As they are now.
    services: Vec<Service>,
    /// Service and reason.
    events: Vec<(String, String)>,
    /// What the replicas asked to change at kube-apiserver.
    kubernetes_writes: Vec<AuditEvent>,
    /// Everything the clouds were asked.
    calls: Vec<Event>,
    /// What the clouds were asked to change, in order.
    writes: Vec<Event>,
    /// Cloud and load balancer, as they are now.
    load_balancers: Vec<(String, LoadBalancer)>,
}

/// Judges all guarantees that the demo touches.
///
/// # Errors
/// There is nothing to look at: kube-apiserver does not answer.
pub async fn judge(stage: &Stage, world: &World) -> Result<Vec<Verdict>> {
    let mut evidence = Evidence::gather(world).await?;
    // Not an error of its own: the verdict says what is missing.
    let _missing = stage
        .until("the last Events", EVENTS, async || {
            evidence.events = events(world).await?;
            Ok(kubernetes::explained(&evidence).held.then_some(()))
        })
        .await;
    Ok(vec![
        kubernetes::only_ours(&evidence),
        clouds::one_writer(&evidence),
        clouds::no_duplicate(&evidence),
        clouds::no_leak(&evidence),
        clouds::no_hijack(&evidence),
        kubernetes::no_lost_write(&evidence),
        clouds::never_empty(&evidence),
        kubernetes::explained(&evidence),
    ])
}

impl<'a> Evidence<'a> {
    async fn gather(world: &'a World) -> Result<Self> {
        Ok(Self {
            facts: &world.facts,
            services: services::list(&world.client()).await?,
            events: Vec::new(),
            kubernetes_writes: audit::writes_of_replicas(world)?,
            calls: world
                .clouds
                .iter()
                .flat_map(|cloud| cloud.events())
                .collect(),
            writes: inventory::writes(&world.clouds),
            load_balancers: inventory::load_balancers(&world.clouds),
        })
    }
}

async fn events(world: &World) -> Result<Vec<(String, String)>> {
    let events: Api<KubernetesEvent> = Api::namespaced(world.client(), services::NAMESPACE);
    let events = events.list(&ListParams::default()).await?;
    let pairs = events
        .into_iter()
        .filter_map(|event| Some((event.regarding?.name?, event.reason?)));
    Ok(pairs.collect())
}
