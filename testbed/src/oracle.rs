//! Says whether all is as it should be, from outside: it shares nothing with
//! the program that it judges.
//!
//! [`judge`] is for a quiet moment: Services and clouds as they are. [`Ledger`]
//! is for what happened in between: the calls that had an effect, held against
//! the [`Wishes`] of the users.

mod ledger;
mod wanted;
mod wishes;

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::ListParams;

use crate::Environment;
use crate::cloud::{CloudSimulator, LoadBalancer, State};
use crate::environment::addresses;
pub use ledger::Ledger;
pub use wanted::{Nodes, Wanted};
pub use wishes::Wishes;

/// Load balancers by the UID of their Service.
type ByUid = BTreeMap<String, Vec<LoadBalancer>>;

/// Whether the clouds have exactly what the living Services of this test ask
/// for, beside what is `others'`, and the Services say so.
///
/// # Errors
/// Something is not so: the message has all of it.
pub async fn judge(test: &Environment, nodes: &Nodes, others: &[LoadBalancer]) -> Result<()> {
    let services = test.services().list(&ListParams::default()).await?;
    let mut complaints = Vec::new();
    let mut found = BTreeMap::new();
    for cloud in [&test.cloud1, &test.cloud2] {
        let ours = without_others(cloud, others, &mut complaints);
        found.insert(cloud.name().to_owned(), ours);
    }
    for service in &services {
        let name = service.name_any();
        if let Err(complaint) = judge_service(test, service, nodes, &mut found) {
            complaints.push(format!("Service {name}: {complaint:#}"));
        }
    }
    for (cloud, left) in found {
        let ids = left.values().flatten().map(described);
        complaints.extend(ids.map(|id| format!("{cloud} has {id}, which no Service asks for")));
    }
    if complaints.is_empty() {
        return Ok(());
    }
    bail!("{}", complaints.join("; "))
}

/// What is not others'; complains if theirs is not what it was.
fn without_others(
    cloud: &CloudSimulator,
    others: &[LoadBalancer],
    complaints: &mut Vec<String>,
) -> ByUid {
    let mut ours = ByUid::new();
    let mut there = cloud.inventory();
    for other in others.iter().filter(|other| is_on(other, cloud)) {
        match there.iter().position(|found| found == other) {
            Some(position) => drop(there.remove(position)),
            None => complaints.push(format!("others' {} is not what it was", described(other))),
        }
    }
    for found in there {
        let uid = found.owner.clone().map(|owner| owner.uid);
        ours.entry(uid.unwrap_or_default()).or_default().push(found);
    }
    ours
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

/// Takes what the Service has from what was found.
fn judge_service(
    test: &Environment,
    service: &Service,
    nodes: &Nodes,
    found: &mut BTreeMap<String, ByUid>,
) -> Result<()> {
    let uid = service.uid().unwrap_or_default();
    let wanted = Wanted::by(service, &test.prefix);
    let (mut ids, mut published) = (Vec::new(), Vec::new());
    for (cloud, ours) in found {
        let has = ours.remove(&uid).unwrap_or_default();
        let (true, [one]) = (wanted.clouds.contains(cloud), &has[..]) else {
            if has.is_empty() && !wanted.clouds.contains(cloud) {
                continue;
            }
            let has: Vec<String> = has.iter().map(described).collect();
            bail!("wants {:?}, and {cloud} has {has:?}", wanted.clouds);
        };
        if one.state != State::Active {
            bail!("{} on {cloud} does not serve", described(one));
        }
        let (is, should) = (wanted::comparable(&one.settings), wanted.settings(nodes));
        if is != should {
            bail!("on {cloud} it is {is:?}, not {should:?}");
        }
        ids.push(one.id.clone());
        published.extend(one.ip.map(|ip| ip.to_string()));
    }
    if wanted.clouds.is_empty() {
        return test.ensure_unmarked(service);
    }
    let clouds: Vec<&str> = wanted.clouds.iter().map(String::as_str).collect();
    let record = test.record(service);
    if record != Some((&ids.join(","), &clouds.join(","))) {
        bail!("on record is {record:?}, not {ids:?}");
    }
    if addresses(service) != published {
        bail!("{:?} is published, not {published:?}", addresses(service));
    }
    if !service.finalizers().contains(&test.finalizer()) {
        bail!("our finalizer is not on it");
    }
    match test.condition(service) {
        Some((status, ..)) if status == "True" => Ok(()),
        other => bail!("the condition is {other:?}"),
    }
}
