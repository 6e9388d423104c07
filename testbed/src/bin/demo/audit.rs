//! What kube-apiserver's audit log tells of the replicas.

use std::time::Duration;

use anyhow::{Context, Result};
use testbed::control_plane::AuditEvent;

use crate::world::World;

/// The user that the replicas are, by `deploy/rbac.yaml`.
const REPLICA: &str = "system:serviceaccount:kube-system:my-cloud-controller-manager";

/// What it took to give a Service its load balancer.
pub struct Effort {
    /// Writes of the replicas to the Service, Events aside.
    pub writes: usize,
    /// From the user's write to the replicas' last.
    pub took: Duration,
}

/// What the replicas asked to change, refused or not.
///
/// # Errors
/// The log cannot be read.
pub fn writes_of_replicas(world: &World) -> Result<Vec<AuditEvent>> {
    let mut events = world.control_plane.audit_events()?;
    events.retain(|event| event.user == REPLICA && event.is_write());
    Ok(events)
}

/// What it took so far.
///
/// # Errors
/// The log does not have the Service.
pub fn effort(world: &World, service: &str) -> Result<Effort> {
    let mut events = world.control_plane.audit_events()?;
    events
        .retain(|event| event.is_write() && event.resource == "services" && event.name == service);
    let (ours, users): (Vec<_>, Vec<_>) =
        events.into_iter().partition(|event| event.user == REPLICA);
    let asked = users.iter().map(|event| event.received).min();
    let done = ours.iter().map(|event| event.received).max();
    let (asked, done) = asked
        .zip(done)
        .with_context(|| format!("the audit log has no writes to Service {service}"))?;
    let took = done.duration_since(asked).try_into();
    Ok(Effort {
        writes: ours.len(),
        took: took.context("the clock was set back")?,
    })
}
