//! The NetworkPolicy allows the connections that the Deployment needs, and is for its pods.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use super::files::{deployment, documents, object};

/// HTTP and HTTPS of the API server, OTLP over HTTP, and DNS.
const OTHERS: [i32; 4] = [443, 6443, 4318, 53];

fn ports<'a>(rules: impl IntoIterator<Item = &'a NetworkPolicyPort>) -> BTreeSet<i32> {
    let number = |port: &NetworkPolicyPort| match port.port {
        Some(IntOrString::Int(number)) => Some(number),
        _ => None,
    };
    rules.into_iter().filter_map(number).collect()
}

#[test]
fn the_policy_opens_the_ports_that_are_needed_and_no_other() -> Result<()> {
    let (deployment, container) = deployment()?;
    let policy: NetworkPolicy = object("network-policy.yaml")?;
    ensure!(policy.metadata.namespace == deployment.metadata.namespace);
    let policy = policy.spec.context("a spec")?;
    let selector = deployment.spec.map(|spec| spec.selector);
    ensure!(policy.pod_selector == selector, "{:?}", policy.pod_selector);
    // Else what is not listed would be allowed.
    let both = ["Ingress", "Egress"].map(String::from).to_vec();
    ensure!(policy.policy_types == Some(both));

    let ingress = policy.ingress.unwrap_or_default();
    let opened = ports(
        ingress
            .iter()
            .filter_map(|rule| rule.ports.as_ref())
            .flatten(),
    );
    let served = container.ports.unwrap_or_default();
    let served: BTreeSet<i32> = served.iter().map(|port| port.container_port).collect();
    ensure!(opened == served, "{opened:?}, but it serves {served:?}");

    let egress = policy.egress.unwrap_or_default();
    let opened = ports(
        egress
            .iter()
            .filter_map(|rule| rule.ports.as_ref())
            .flatten(),
    );
    let mut needed = BTreeSet::from(OTHERS);
    needed.extend(clouds()?);
    ensure!(opened == needed, "{opened:?}, but it needs {needed:?}");
    ensure!(egress.iter().all(|rule| rule.ports.is_some()), "{egress:?}");
    Ok(())
}

/// The ports of the clouds in the ConfigMap.
fn clouds() -> Result<BTreeSet<i32>> {
    let config = &documents("ccm-deployment.yaml")?[0]["data"]["config.yaml"];
    let config: Value = serde_saphyr::from_str(config.as_str().context("config.yaml")?)?;
    let clouds = config["clouds"].as_array().context("clouds")?;
    let port = |cloud: &Value| {
        let url = reqwest::Url::parse(cloud["endpoint"].as_str()?).ok()?;
        url.port_or_known_default().map(i32::from)
    };
    clouds
        .iter()
        .map(|cloud| port(cloud).context("a port"))
        .collect()
}
