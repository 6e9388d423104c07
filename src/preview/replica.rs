//! The preview that a replica makes, from its own view of the cluster.

use kube::runtime::reflector::ObjectRef;

use super::survey::{Remembered, Survey};
use super::{Origin, ReplicaState, Report};
use crate::controller::Context;
use crate::controller::attempt::SpecHash;
use crate::controller::context::uid;
use crate::kubernetes::service::view;
use crate::kubernetes::service_object::Service;
use crate::plan::KnownClouds;
use crate::plan::kept::Unmet;
use crate::plan::naming::{Owner, ServiceKey, ServiceUid};

/// The reason for which a replica has no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoReport {
    NoSuchService,
    /// The Services or the Nodes are not listed yet.
    NotListed,
}

/// What this replica would do for a Service if it led. A leader knows what its inventories
/// have and what the clouds told; a standby asks the clouds for both.
///
/// # Errors
/// [`NoReport`].
pub async fn report(context: &Context, key: &ServiceKey) -> Result<Report, NoReport> {
    if !*context.watched.services_listed.borrow() {
        return Err(NoReport::NotListed);
    }
    let nodes = context.watched.nodes.borrow().clone();
    let nodes = nodes.ok_or(NoReport::NotListed)?;
    let reference = ObjectRef::new(&key.name).within(&key.namespace);
    let watched = context.watched.services.get(&reference);
    let watched = watched.ok_or(NoReport::NoSuchService)?;
    let (memory, uid) = (&context.memory, uid(&watched));
    let object = match &uid {
        Some(uid) => memory.mutation_cache.newest(uid, watched),
        None => watched,
    };
    let clients = context.clouds.iter();
    let clients = clients.map(|(name, cloud)| (name.clone(), cloud.client.clone()));
    let mut survey = Survey::new(
        context.cluster.clone(),
        context.metadata_keys.clone(),
        KnownClouds::clone(&context.known_clouds()),
        clients,
        nodes,
    );
    let leads = context.leadership().is_some();
    if !leads {
        // Only a leader asks by itself. That one knows what its next attempt will use.
        survey.ask_clouds().await;
    }
    let known_as = uid.as_ref().filter(|_| leads);
    let remembered = known_as.map(|uid| remember(context, key, &object, uid, &survey));
    let next_attempt = known_as.and_then(|uid| memory.requeue.next_attempt(uid));
    let remembered = remembered.unwrap_or_default();
    let preview = survey.preview(&object, Origin::Cluster, remembered).await;
    Ok(Report {
        cluster: survey.cluster,
        replica: Some(ReplicaState {
            leads,
            next_attempt,
        }),
        previews: vec![preview],
    })
}

/// Copies what a leader knows of the Service. The answers to the survey's queries stay there:
/// an answer from before a create must not resolve that create.
fn remember(
    context: &Context,
    key: &ServiceKey,
    object: &Service,
    uid: &ServiceUid,
    survey: &Survey,
) -> Remembered {
    let owner = Owner {
        cluster: context.cluster.clone(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        uid: uid.clone(),
    };
    let name = owner.load_balancer_name();
    for (cloud, copy) in &survey.clouds {
        let known = context.clouds.get(cloud);
        if let Some(known) = known.and_then(|known| known.inventory.find(&name)) {
            copy.inventory.record(known);
        }
    }
    let view = view(object, &context.metadata_keys);
    let remembered = Remembered {
        unmet: view.map_or_else(Unmet::default, |view| {
            context.memory.unmet(uid, SpecHash::of(&view))
        }),
        ..Remembered::default()
    };
    for cloud in context.memory.pending_creates.clouds_for(uid) {
        remembered.pending_creates.record(uid, cloud);
    }
    remembered
}
