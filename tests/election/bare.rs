//! kube-leader-election by itself, and Leases to try it on.

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Client, Config};
use kube_leader_election::{Error, LeaseLock, LeaseLockParams, LeaseLockResult};
use my_cloud_controller_manager::election::Role;
use serde_json::json;
use testbed::ControlPlane;

use crate::candidate::{NAMESPACE, Running, TIMING, config, leases};
use crate::gate::Gate;

/// kube-leader-election by itself.
pub fn bare(config: &Config, lease: &str, holder: &str) -> Result<LeaseLock> {
    let parameters = LeaseLockParams {
        holder_id: holder.to_owned(),
        lease_name: lease.to_owned(),
        lease_ttl: TIMING.lease_duration,
    };
    let client = Client::try_from(config.clone())?;
    Ok(LeaseLock::new(client, NAMESPACE, parameters))
}

/// Whether it says that its caller leads.
pub fn acquired(result: &Result<LeaseLockResult, Error>) -> bool {
    matches!(result, Ok(LeaseLockResult::Acquired(_)))
}

/// Who holds a Lease, as the administrator sees it.
pub async fn holder(plane: &ControlPlane, lease: &str) -> Result<String> {
    let spec = leases(plane).get(lease).await?.spec;
    Ok(spec
        .and_then(|spec| spec.holder_identity)
        .unwrap_or_default())
}

/// A Lease that ran out a minute ago.
pub async fn of_a_dead_holder(plane: &ControlPlane, lease: &str) -> Result<()> {
    let renewed = format!("{:.6}", Timestamp::now() - SignedDuration::from_mins(1));
    let spec = json!({
        "holderIdentity": "dead", "leaseDurationSeconds": TIMING.lease_duration.as_secs(),
        "leaseTransitions": 3, "acquireTime": renewed, "renewTime": renewed,
    });
    create(plane, lease, spec).await
}

pub async fn create(plane: &ControlPlane, lease: &str, spec: serde_json::Value) -> Result<()> {
    let lease: Lease = serde_json::from_value(json!({"metadata": {"name": lease}, "spec": spec}))?;
    leases(plane).create(&PostParams::default(), &lease).await?;
    Ok(())
}

pub async fn edit(plane: &ControlPlane, lease: &str, spec: serde_json::Value) -> Result<()> {
    let edit = Patch::Merge(json!({"spec": spec}));
    leases(plane)
        .patch(lease, &PatchParams::default(), &edit)
        .await?;
    Ok(())
}

pub async fn gated() -> Result<(ControlPlane, Config, Gate, Config)> {
    let plane = ControlPlane::shared().await?;
    let direct = config(plane.kubeconfig_path()).await?;
    let (gate, through) = Gate::before(&direct).await?;
    Ok((plane, direct, gate, through))
}

pub fn leads(candidate: &Running) -> bool {
    match &*candidate.roles.borrow() {
        Role::Leader(leadership) => leadership.permit().is_ok(),
        Role::Standby => false,
    }
}
