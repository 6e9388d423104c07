//! The present state: what the clouds have, and what the Services show.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::ListParams;

use super::desired::comparable;
use super::{Desired, Guarantee, Nodes, Violation};
use crate::Environment;
use crate::cloud::{CloudSimulator, LoadBalancer, Settings, State};
use crate::environment::addresses;

/// Load balancers by cloud.
type ByCloud = BTreeMap<String, Vec<LoadBalancer>>;

/// Checks that the clouds have exactly what the living Services of this test
/// ask for, beside the unchanged load balancers of `others`, and that each
/// Service shows it.
///
/// # Errors
/// There is a violation: the message has all of them.
pub async fn verify(test: &Environment, nodes: &Nodes, others: &[LoadBalancer]) -> Result<()> {
    let violations = inspect(test, nodes, others).await?;
    if violations.is_empty() {
        return Ok(());
    }
    let messages: Vec<String> = violations.iter().map(Violation::to_string).collect();
    bail!("{}", messages.join("; "))
}

/// As [`verify`]; gives the violations, at most one for each Service.
///
/// # Errors
/// kube-apiserver did not answer.
pub async fn inspect(
    test: &Environment,
    nodes: &Nodes,
    others: &[LoadBalancer],
) -> Result<Vec<Violation>> {
    let services = test.services().list(&ListParams::default()).await?;
    let mut violations = Vec::new();
    let mut by_owner = BTreeMap::<String, ByCloud>::new();
    for cloud in test.clouds() {
        violations.extend(calls_about(others, cloud));
        for found in without(others, cloud, &mut violations) {
            let owner = found.owner.clone().unwrap_or_default();
            let by_cloud = by_owner.entry(owner.uid).or_default();
            by_cloud
                .entry(cloud.name().to_owned())
                .or_default()
                .push(found);
        }
    }
    for service in &services {
        let found = by_owner.remove(&service.uid().unwrap_or_default());
        if let Err(mut violation) = check(test, service, nodes, found.unwrap_or_default()) {
            let name = service.name_any();
            violation.observation = format!("Service {name}: {}", violation.observation);
            violations.push(violation);
        }
    }
    for (cloud, left) in by_owner.into_values().flatten() {
        for found in left {
            let observation = format!("{cloud} has {} without a Service", described(&found));
            violations.push(Violation::new(Guarantee::NoLeak, observation));
        }
    }
    Ok(violations)
}

/// The inventory of a cloud without the load balancers of others, which must
/// be as they were.
fn without(
    others: &[LoadBalancer],
    cloud: &CloudSimulator,
    violations: &mut Vec<Violation>,
) -> Vec<LoadBalancer> {
    let mut inventory = cloud.inventory();
    for other in others.iter().filter(|other| is_on(other, cloud)) {
        let position = inventory.iter().position(|found| found.id == other.id);
        let found = position.map(|position| inventory.remove(position));
        if found.as_ref() != Some(other) {
            let observation = format!("the foreign {} has changed", described(other));
            violations.push(Violation::new(Guarantee::NoHijack, observation));
        }
    }
    inventory
}

/// Calls that meant to change a load balancer of others, even if the cloud refused them.
fn calls_about(others: &[LoadBalancer], cloud: &CloudSimulator) -> Option<Violation> {
    let here: Vec<_> = others.iter().filter(|other| is_on(other, cloud)).collect();
    let mut calls = cloud.mutations();
    calls.retain(|call| {
        let id = |id: &str| here.iter().any(|other| other.id == id);
        let name = |name: &str| here.iter().any(|other| other.name == name);
        call.id.as_deref().is_some_and(id) || call.name.as_deref().is_some_and(name)
    });
    let first = calls.first()?;
    let observation = format!("calls about foreign load balancers, such as {first:?}");
    Some(Violation::new(Guarantee::NoHijack, observation))
}

/// Clouds on one machine have ranges of their own.
fn is_on(found: &LoadBalancer, cloud: &CloudSimulator) -> bool {
    found
        .ip
        .is_some_and(|address| cloud.addresses().contains(&address))
}

fn described(found: &LoadBalancer) -> String {
    let owner = found.owner.clone().unwrap_or_default();
    let (id, state) = (&found.id, found.state);
    format!("{id} ({state:?}, of {}/{})", owner.name, owner.uid)
}

fn check(
    test: &Environment,
    service: &Service,
    nodes: &Nodes,
    mut found: ByCloud,
) -> Result<(), Violation> {
    use Guarantee::{Converged, Explained, NoDuplicate, NoLeak, OnlyOurs};
    let desired = Desired::of(service, &test.prefix);
    let (mut ids, mut published) = (Vec::new(), Vec::new());
    for cloud in &desired.clouds {
        let has = found.remove(cloud).unwrap_or_default();
        let [one] = &has[..] else {
            let guarantee = if has.is_empty() {
                Converged
            } else {
                NoDuplicate
            };
            let has: Vec<String> = has.iter().map(described).collect();
            let observation = format!("it names {cloud}, which has {has:?} for it");
            return Err(Violation::new(guarantee, observation));
        };
        let simulator = test
            .clouds()
            .into_iter()
            .find(|known| known.name() == cloud);
        let should = simulator.map(|simulator| desired.settings(simulator, nodes));
        if let Err(observation) = serves(one, should) {
            let observation = format!("{} on {cloud} {observation}", described(one));
            return Err(Violation::new(Converged, observation));
        }
        ids.push(one.id.clone());
        published.extend(one.ip.map(|ip| ip.to_string()));
    }
    if let Some((cloud, has)) = found.first_key_value() {
        let has: Vec<String> = has.iter().map(described).collect();
        let observation = format!("it does not name {cloud}, which has {has:?} for it");
        return Err(Violation::new(NoLeak, observation));
    }
    if desired.clouds.is_empty() {
        let unmarked = test.ensure_unmarked(service);
        return unmarked.map_err(|error| Violation::new(OnlyOurs, format!("{error:#}")));
    }
    shows(test, service, &desired, &ids, &published)
        .map_err(|observation| Violation::new(Converged, observation))?;
    match test.condition(service) {
        Some((status, ..)) if status == "True" => Ok(()),
        other => {
            let observation = format!("the condition is {other:?}");
            Err(Violation::new(Explained, observation))
        }
    }
}

fn serves(found: &LoadBalancer, should: Option<Settings>) -> Result<(), String> {
    if found.state != State::Active {
        return Err("does not serve".to_owned());
    }
    let is = Some(comparable(&found.settings));
    if is != should {
        return Err(format!("is {is:?}, not {should:?}"));
    }
    Ok(())
}

/// Checks the record, the addresses and the finalizer.
fn shows(
    test: &Environment,
    service: &Service,
    desired: &Desired,
    ids: &[String],
    published: &[String],
) -> Result<(), String> {
    let clouds: Vec<&str> = desired.clouds.iter().map(String::as_str).collect();
    let record = test.record(service);
    if record != Some((&ids.join(","), &clouds.join(","))) {
        return Err(format!("the record is {record:?}, not {ids:?}"));
    }
    let addresses = addresses(service);
    if addresses != published {
        return Err(format!("{addresses:?} is published, not {published:?}"));
    }
    if !service.finalizers().contains(&test.finalizer()) {
        return Err("our finalizer is missing".to_owned());
    }
    Ok(())
}
