//! Services: applied as a user does, and shown as kubectl does.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::ListParams;
use testbed::environment::addresses;
use testbed::oracle::Desired;
use testbed::{Environment, repository_path};

use crate::demo::Demo;
use crate::stage::Stage;

const BACK_ENDS: Duration = Duration::from_secs(10);

/// All of them, by name.
///
/// # Errors
/// kube-apiserver did not answer.
pub async fn list(environment: &Environment) -> Result<Vec<Service>> {
    let listed = environment.services().list(&ListParams::default()).await;
    let mut services = listed.context("listing the Services")?.items;
    services.sort_by_key(ResourceExt::name_any);
    Ok(services)
}

/// `kubectl apply`; gives the Services as they were at that moment, and
/// remembers them.
///
/// # Errors
/// kube-apiserver refused something.
pub async fn apply(demo: &mut Demo, yaml: &str) -> Result<Vec<Service>> {
    let sent = Timestamp::now();
    let mut applied = demo.environment.control_plane.apply(yaml).await?;
    let answered = Timestamp::now();
    applied.retain(|object| {
        object
            .types
            .as_ref()
            .is_some_and(|types| types.kind == "Service")
    });
    let services = applied.into_iter().map(|object| Ok(object.try_parse()?));
    let services = services.collect::<Result<Vec<Service>>>()?;
    for service in &services {
        let clouds = Desired::of(service, &demo.environment.prefix).clouds;
        let uid = service.uid().unwrap_or_default();
        demo.history.record(&uid, &clouds, sent, answered);
    }
    demo.applied.extend(services.iter().cloned());
    Ok(services)
}

/// `kubectl delete`, without waiting for the finalizers.
///
/// # Errors
/// kube-apiserver refused it.
pub async fn delete(demo: &Demo, service: &Service) -> Result<()> {
    let (uid, sent) = (service.uid().unwrap_or_default(), Timestamp::now());
    demo.environment.delete(&service.name_any()).await?;
    let none = BTreeSet::new();
    demo.history.record(&uid, &none, sent, Timestamp::now());
    Ok(())
}

/// The address that clients use.
pub fn external_ip(service: &Service) -> Option<String> {
    addresses(service).into_iter().next()
}

/// Waits until it has an address and its condition is True.
///
/// # Errors
/// It had not within `deadline`.
pub async fn until_ready(
    stage: &Stage,
    environment: &Environment,
    name: &str,
    deadline: Duration,
) -> Result<Service> {
    let what = format!("an EXTERNAL-IP of Service {name}");
    stage
        .until(&what, deadline, async || {
            let service = environment.get(name).await?;
            match environment.condition(&service) {
                Some((status, ..)) if status == "True" && external_ip(&service).is_some() => {
                    Ok(Some(service))
                }
                Some(condition) => bail!(in_words(condition)),
                None => bail!("it has no condition yet"),
            }
        })
        .await
}

/// Waits until its node ports answer on every Node.
///
/// # Errors
/// They did not in time; perhaps another program has one of the ports.
pub async fn until_answering(stage: &Stage, demo: &Demo, service: &Service) -> Result<()> {
    let what = format!("back ends of Service {} on every Node", service.name_any());
    let nodes: Vec<_> = demo.node_addresses().collect();
    stage
        .until(&what, BACK_ENDS, async || {
            Ok(demo.node_ports.answer(service, &nodes)?.then_some(()))
        })
        .await
}

fn in_words((status, reason, message): (String, String, String)) -> String {
    format!("condition LoadBalancerReady is {status} ({reason}): {message}")
}

/// Name and condition of the Services that are not ready.
///
/// # Errors
/// kube-apiserver did not answer.
pub async fn not_ready(environment: &Environment) -> Result<Vec<(String, String)>> {
    let services = list(environment).await?;
    let not_ready = services.iter().filter_map(|service| {
        let condition = environment.condition(service)?;
        (condition.0 != "True").then(|| (service.name_any(), in_words(condition)))
    });
    Ok(not_ready.collect())
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
        external_ip(service).unwrap_or(without.to_owned()),
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

/// The text of a manifest in `deploy/examples`.
///
/// # Errors
/// It cannot be read.
pub fn example(name: &str) -> Result<String> {
    let path = repository_path("deploy/examples").join(name);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}
