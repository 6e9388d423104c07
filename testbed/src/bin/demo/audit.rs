//! The audit log of kube-apiserver.

use std::time::Duration;

use anyhow::{Context, Result};
use testbed::Environment;

/// What it took to give a Service its load balancer.
pub struct Effort {
    /// Writes of the replicas to the Service, Events aside.
    pub writes: usize,
    /// From the user's write to the replicas' last.
    pub took: Duration,
}

/// What it took so far.
///
/// # Errors
/// The log does not have the Service.
pub fn effort(environment: &Environment, service: &str) -> Result<Effort> {
    let mut ours = environment.writes()?;
    ours.retain(|write| write.resource == "services" && write.name == service);
    let mut all = environment.control_plane.audit_events()?;
    all.retain(|event| event.is_write() && event.resource == "services" && event.name == service);
    // The first write of all is the user's.
    let requested = all.iter().map(|event| event.received).min();
    let done = ours.iter().map(|event| event.received).max();
    let (requested, done) = requested
        .zip(done)
        .with_context(|| format!("the audit log has no writes to Service {service}"))?;
    let took = done.duration_since(requested).try_into();
    Ok(Effort {
        writes: ours.len(),
        took: took.context("the clock was set back")?,
    })
}
