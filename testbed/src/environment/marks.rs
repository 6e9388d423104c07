//! What the program leaves on a Service, and what it did to leave it there.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use super::Environment;
use crate::cloud::{CloudSimulator, Event};
use crate::control_plane::AuditEvent;

/// The user name of the replicas at kube-apiserver.
/// Where the account of the replicas is, as in `deploy/rbac.yaml`.
pub(super) const ACCOUNT_NAMESPACE: &str = "kube-system";
/// The account of the replicas; one of a replica's own begins with it.
pub(super) const ACCOUNT_NAME: &str = "my-cloud-controller-manager";

impl Environment {
    /// Our condition: status, reason, message.
    pub fn condition(&self, service: &Service) -> Option<(String, String, String)> {
        let kind = format!("{}/LoadBalancerReady", self.prefix);
        let conditions = service.status.as_ref()?.conditions.as_ref()?;
        let found = conditions
            .iter()
            .find(|condition| condition.type_ == kind)?;
        Some((
            found.status.clone(),
            found.reason.clone(),
            found.message.clone(),
        ))
    }

    pub fn finalizer(&self) -> String {
        format!("{}/load-balancer", self.prefix)
    }

    /// One of our annotations, named without its prefix.
    pub fn ours<'a>(&self, service: &'a Service, name: &str) -> Option<&'a str> {
        let name = format!("{}/{name}", self.prefix);
        service.annotations().get(&name).map(String::as_str)
    }

    /// The record: ids and clouds.
    pub fn record<'a>(&self, service: &'a Service) -> Option<(&'a str, &'a str)> {
        Some((
            self.ours(service, "lb-id")?,
            self.ours(service, "lb-cloud")?,
        ))
    }

    /// Fails if anything of ours is left on a Service.
    ///
    /// # Errors
    /// The message names the first that is left.
    pub fn ensure_unmarked(&self, service: &Service) -> Result<()> {
        let finalizers = service.finalizers();
        ensure!(!finalizers.contains(&self.finalizer()), "{finalizers:?}");
        ensure!(self.ours(service, "lb-id").is_none(), "lb-id is there");
        ensure!(
            self.ours(service, "lb-cloud").is_none(),
            "lb-cloud is there"
        );
        ensure!(self.condition(service).is_none(), "our condition is there");
        let addresses = addresses(service);
        ensure!(addresses.is_empty(), "{addresses:?} is there");
        Ok(())
    }

    /// What replicas wrote, or tried to write, in this test's namespace.
    ///
    /// # Errors
    /// The audit log cannot be read.
    pub fn writes(&self) -> Result<Vec<AuditEvent>> {
        let account = format!("system:serviceaccount:{ACCOUNT_NAMESPACE}:{ACCOUNT_NAME}");
        let mut events = self.control_plane.audit_events()?;
        events.retain(|event| {
            event.is_write()
                && event.user.starts_with(&account)
                && event.namespace == self.namespace
        });
        Ok(events)
    }

    /// The accounts that wrote Services, in order, one entry for each change of the
    /// account.
    ///
    /// # Errors
    /// The audit log cannot be read.
    pub fn writers(&self) -> Result<Vec<String>> {
        let mut writes = self.writes()?;
        writes.retain(|event| event.resource == "services");
        writes.sort_by_key(|event| event.received);
        let mut writers: Vec<String> = writes.into_iter().map(|event| event.user).collect();
        writers.dedup();
        Ok(writers)
    }

    /// The calls of both clouds that meant to change something, in order of arrival.
    pub fn mutations(&self) -> Vec<Event> {
        let mut calls = self.clouds().map(CloudSimulator::mutations).concat();
        calls.sort_by_key(|call| call.at);
        calls
    }

    /// The terms of all mutating calls, in order.
    ///
    /// # Errors
    /// A call has no term, or its term is older than that of a call before it.
    pub fn terms(&self) -> Result<BTreeSet<u64>> {
        let mut terms = BTreeSet::new();
        for call in self.mutations() {
            let term = call.fencing_token.context("a write without a term")?;
            ensure!(
                terms.last().is_none_or(|last| *last <= term),
                "term {term} wrote after {terms:?}: {call:?}"
            );
            terms.insert(term);
        }
        Ok(terms)
    }
}

/// The addresses in a Service's status.
pub fn addresses(service: &Service) -> Vec<String> {
    let status = service
        .status
        .as_ref()
        .and_then(|status| status.load_balancer.as_ref());
    let entries = status
        .and_then(|load_balancer| load_balancer.ingress.as_deref())
        .unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| entry.ip.clone().or_else(|| entry.hostname.clone()))
        .collect()
}

/// The calls of a cloud about single load balancers: all but lists and capabilities.
pub fn calls(cloud: &CloudSimulator) -> Vec<Event> {
    let mut calls = cloud.events();
    calls.retain(|call| call.verb.is_about_one());
    calls
}
