//! Services: applied as a user does, and shown as kubectl does.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

use crate::stage::Stage;
use crate::world::World;

/// Where they are.
pub const NAMESPACE: &str = "default";
/// Our condition, with the default prefix of the annotations.
const CONDITION: &str = "mycloud.com/LoadBalancerReady";

const BACK_ENDS: Duration = Duration::from_secs(10);

/// The Services of the demo.
pub fn api(client: &Client) -> Api<Service> {
    Api::namespaced(client.clone(), NAMESPACE)
}

/// All of them, by name.
///
/// # Errors
/// kube-apiserver did not answer.
pub async fn list(client: &Client) -> Result<Vec<Service>> {
    let listed = api(client).list(&ListParams::default()).await;
    let mut services = listed.context("listing the Services")?.items;
    services.sort_by_key(ResourceExt::name_any);
    Ok(services)
}

/// One of them.
///
/// # Errors
/// It is not there, or kube-apiserver did not answer.
pub async fn get(client: &Client, name: &str) -> Result<Service> {
    let service = api(client).get(name).await;
    service.with_context(|| format!("getting Service {name}"))
}

/// `kubectl apply`; gives the Services as they were at that moment, and
/// remembers them.
///
/// # Errors
/// kube-apiserver refused something.
pub async fn apply(world: &mut World, yaml: &str) -> Result<Vec<Service>> {
    let applied = world.control_plane.apply(yaml).await?;
    let services = applied
        .into_iter()
        .filter(|object| {
            object
                .types
                .as_ref()
                .is_some_and(|types| types.kind == "Service")
        })
        .map(|object| Ok(object.try_parse()?))
        .collect::<Result<Vec<Service>>>()?;
    world.facts.applied.extend(services.iter().cloned());
    Ok(services)
}

/// The address that clients use.
pub fn external_ip(service: &Service) -> Option<&str> {
    let status = service.status.as_ref()?.load_balancer.as_ref()?;
    status.ingress.as_ref()?.first()?.ip.as_deref()
}

/// Waits until it has an address and its condition is True.
///
/// # Errors
/// It had not within `deadline`.
pub async fn until_ready(
    stage: &Stage,
    client: &Client,
    name: &str,
    deadline: Duration,
) -> Result<Service> {
    let what = format!("an EXTERNAL-IP of Service {name}");
    stage
        .until(&what, deadline, async || {
            let service = get(client, name).await?;
            match condition(&service) {
                Some(("True", _)) if external_ip(&service).is_some() => Ok(Some(service)),
                Some((_, words)) => bail!(words),
                None => bail!("nobody has said anything about it"),
            }
        })
        .await
}

/// Waits until its node ports answer on every Node.
///
/// # Errors
/// They did not in time; perhaps somebody else has one of the ports.
pub async fn until_answering(stage: &Stage, world: &World, service: &Service) -> Result<()> {
    let what = format!("back ends of Service {} on every Node", service.name_any());
    let nodes = world.node_addresses();
    stage
        .until(&what, BACK_ENDS, async || {
            Ok(world.node_ports.answer(service, &nodes)?.then_some(()))
        })
        .await
}

/// Status of our condition, and the rest of it in words.
pub fn condition(service: &Service) -> Option<(&str, String)> {
    let conditions = service.status.as_ref()?.conditions.as_ref()?;
    let ours = conditions
        .iter()
        .find(|condition| condition.type_ == CONDITION)?;
    let words = format!(
        "{CONDITION} is {} ({}): {}",
        ours.status, ours.reason, ours.message
    );
    Some((&ours.status, words))
}

/// What the Services that are not well say of themselves: name and words.
///
/// # Errors
/// kube-apiserver did not answer.
pub async fn complaints(client: &Client) -> Result<Vec<(String, String)>> {
    let services = list(client).await?;
    let complaints = services.iter().filter_map(|service| {
        let (status, words) = condition(service)?;
        (status != "True").then(|| (service.name_any(), words))
    });
    Ok(complaints.collect())
}

/// Prints what `kubectl get services` would.
pub fn show(stage: &Stage, services: &[Service]) {
    let heads = [
        "NAME",
        "TYPE",
        "CLUSTER-IP",
        "EXTERNAL-IP",
        "PORT(S)",
        "AGE",
    ];
    let rows: Vec<_> = services.iter().map(row).collect();
    stage.table(heads, &rows);
}

fn row(service: &Service) -> [String; 6] {
    let spec = service.spec.clone().unwrap_or_default();
    let kind = spec.type_.unwrap_or_default();
    let without = if kind == "LoadBalancer" {
        "<pending>"
    } else {
        "<none>"
    };
    let ports = spec.ports.unwrap_or_default().into_iter().map(|port| {
        let node_port = port
            .node_port
            .map(|number| format!(":{number}"))
            .unwrap_or_default();
        format!(
            "{}{node_port}/{}",
            port.port,
            port.protocol.unwrap_or_default()
        )
    });
    [
        service.name_any(),
        kind,
        spec.cluster_ip.unwrap_or_default(),
        external_ip(service).unwrap_or(without).to_owned(),
        ports.collect::<Vec<_>>().join(","),
        age(service),
    ]
}

/// Good enough for the minutes of a demo.
fn age(service: &Service) -> String {
    let Some(created) = service.creation_timestamp() else {
        return "<unknown>".into();
    };
    let seconds = Timestamp::now().duration_since(created.0).as_secs().max(0);
    match (seconds / 60, seconds % 60) {
        (0..=1, _) => format!("{seconds}s"),
        (minutes, 0) => format!("{minutes}m"),
        (minutes, rest) => format!("{minutes}m{rest}s"),
    }
}

/// The file's text with its name in the error.
///
/// # Errors
/// It cannot be read.
pub fn example(name: &str) -> Result<String> {
    let path = World::file("deploy/examples").join(name);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}
