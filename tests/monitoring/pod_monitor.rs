//! The PodMonitor scrapes the port that the Deployment opens.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::repository;
use crate::rule_file::read;

#[test]
fn every_replica_is_scraped_at_the_port_that_it_opens() -> Result<()> {
    let monitor = read("pod-monitor.yaml")?;
    let text = std::fs::read_to_string(repository().join("deploy/ccm-deployment.yaml"))?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text)?;
    let deployment = documents
        .iter()
        .find(|document| document["kind"] == "Deployment");
    let deployment = deployment.context("a Deployment")?;
    let pod = &deployment["spec"]["template"];
    let (selected, endpoint) = (
        &monitor["spec"]["selector"],
        &monitor["spec"]["podMetricsEndpoints"],
    );
    ensure!(
        selected["matchLabels"] == deployment["spec"]["selector"]["matchLabels"],
        "{selected}"
    );
    ensure!(monitor["metadata"]["namespace"] == deployment["metadata"]["namespace"]);
    let ports = &pod["spec"]["containers"][0]["ports"];
    ensure!(endpoint[0]["port"] == ports[0]["name"], "{endpoint}");
    ensure!(endpoint[0]["path"] == json!("/metrics"));
    Ok(())
}

/// The component replaces the scraped port by the secure one; a wrong port would fire MyCloudLBAbsent.
#[test]
fn secure_metrics_are_scraped_at_the_port_that_serves_them() -> Result<()> {
    let patch = |name: &str| -> Result<Vec<Value>> {
        let path = repository().join("deploy/secure-metrics").join(name);
        Ok(serde_saphyr::from_str(&std::fs::read_to_string(path)?)?)
    };
    let value = |operations: &[Value], path: &str| -> Result<Value> {
        let found = operations
            .iter()
            .find(|operation| operation["path"] == path);
        Ok(found.with_context(|| path.to_owned())?["value"].clone())
    };
    let (monitor, deployment) = (patch("pod-monitor.yaml")?, patch("deployment.yaml")?);
    let endpoint = "/spec/podMetricsEndpoints/0";
    let container = "/spec/template/spec/containers/0";
    let port = value(&deployment, &format!("{container}/ports/-"))?;
    ensure!(
        value(&monitor, &format!("{endpoint}/port"))? == port["name"],
        "{port}"
    );
    let address = value(&deployment, &format!("{container}/args/-"))?;
    let number = port["containerPort"].as_u64().context("a number")?;
    ensure!(
        address == json!(format!("--metrics-secure-address=0.0.0.0:{number}")),
        "{address}"
    );
    ensure!(value(&monitor, &format!("{endpoint}/scheme"))? == "https");
    ensure!(value(&monitor, &format!("{endpoint}/tlsConfig"))?["ca"].is_object());
    let authorization = value(&monitor, &format!("{endpoint}/authorization"))?;
    ensure!(authorization["credentials"].is_object(), "{authorization}");
    let policy = patch("network-policy.yaml")?;
    ensure!(value(&policy, "/spec/ingress/0/ports/0/port")? == number);
    Ok(())
}
