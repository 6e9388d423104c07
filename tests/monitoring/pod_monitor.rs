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

/// The runbook replaces the scraped port by the secure one; a wrong port would fire MyCloudLBAbsent.
#[test]
fn secure_metrics_are_scraped_at_the_port_that_serves_them() -> Result<()> {
    let runbook = std::fs::read_to_string(repository().join("docs/runbook.md"))?;
    let stanza = runbook
        .split("```yaml\n")
        .find_map(|block| {
            let text = block.trim_start();
            text.starts_with("podMetricsEndpoints:")
                .then(|| block.split("```").next())?
        })
        .context("podMetricsEndpoints in the runbook")?;
    let secure: Value = serde_saphyr::from_str(stanza)?;
    let secure = &secure["podMetricsEndpoints"][0];
    let port = secure["port"].as_str().context("a port")?;
    let opened = format!("\"value\": {{\"name\": \"{port}\", \"containerPort\": 8443}}");
    ensure!(runbook.contains(&opened), "{port} is not opened");
    let plain = &read("pod-monitor.yaml")?["spec"]["podMetricsEndpoints"][0];
    for same in ["path", "interval", "relabelings"] {
        ensure!(secure[same] == plain[same], "{same}: {}", secure[same]);
    }
    ensure!(secure["scheme"] == "https", "{secure}");
    ensure!(secure["tlsConfig"]["ca"].is_object(), "{secure}");
    ensure!(
        secure["authorization"]["credentials"].is_object(),
        "{secure}"
    );
    Ok(())
}
