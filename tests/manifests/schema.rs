//! `values.schema.json` refuses what the program or the API server would refuse later, and knows
//! each field of the configuration.

use anyhow::{Context, Result, ensure};
use my_cloud_controller_manager::config;
use serde_json::Value;
use testbed::Packaging;

use super::rendered::{chart, template};

#[tokio::test]
async fn wrong_values_are_refused_and_named() -> Result<()> {
    let packaging = Packaging::find().await?;
    for (value, named) in [
        ("replica=3", "replica"),
        ("replicas=three", "/replicas"),
        ("fullnameOverride=Mine", "/fullnameOverride"),
        ("image.digest=sha256:abc", "/image/digest"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("config.cluds=1", "cluds"),
        ("config.clouds={}", "/config/clouds"),
        (
            "config.clouds[0].name=cloud1,config.clouds[0].endpoint=ftp://x",
            "/config/clouds/0/endpoint",
        ),
        (
            "config.clouds[0].name=cloud1,config.clouds[0].token=x",
            "token",
        ),
        ("config.orphans=keep", "/config/orphans"),
        ("config.sweepInterval=5", "/config/sweepInterval"),
        ("secrets={a,a}", "/secrets"),
        ("verbosity=11", "/verbosity"),
        ("logFormat=xml", "/logFormat"),
        (
            "leaderElection.leaseDuration=soon",
            "/leaderElection/leaseDuration",
        ),
        ("extraArgs={v}", "/extraArgs/0"),
        (
            "podDisruptionBudget.maxUnavailable=half",
            "/podDisruptionBudget/maxUnavailable",
        ),
        (
            "networkPolicy.apiServer.ports={70000}",
            "/networkPolicy/apiServer/ports/0",
        ),
        ("metrics.secure.readers[0].name=prometheus", "namespace"),
        (
            "prometheusRule.runbookUrl=runbook.md",
            "/prometheusRule/runbookUrl",
        ),
    ] {
        let arguments = ["--set".to_owned(), value.to_owned()];
        let refusal = template(&packaging, "lbs", &arguments).await.err();
        let refusal = format!("{:#}", refusal.context(value)?);
        // helm 3 writes the path with dots.
        let (path, dotted) = (named, named.trim_start_matches('/').replace('/', "."));
        ensure!(refusal.contains("schema"), "{value}: {refusal}");
        ensure!(
            refusal.contains(path) || refusal.contains(&dotted),
            "{value}: {refusal}"
        );
    }
    Ok(())
}

#[test]
fn the_schema_has_the_fields_of_the_configuration() -> Result<()> {
    let text = std::fs::read_to_string(chart().join("values.schema.json"))?;
    let schema: Value = serde_json::from_str(&text)?;
    let mut known: Vec<String> = Vec::new();
    collect(&schema["properties"]["config"], "", &mut known)?;
    let mut fields: Vec<String> = config::field_names().collect();
    known.sort();
    fields.sort();
    ensure!(
        known == fields,
        "the schema has {known:?}, and the program {fields:?}"
    );
    Ok(())
}

/// The paths of the fields, as in `clouds[].name`.
fn collect(object: &Value, prefix: &str, into: &mut Vec<String>) -> Result<()> {
    for (name, field) in object["properties"].as_object().context("properties")? {
        into.push(format!("{prefix}{name}"));
        if field["items"]["properties"].is_object() {
            collect(&field["items"], &format!("{prefix}{name}[]."), into)?;
        }
    }
    Ok(())
}

#[test]
fn the_chart_has_the_version_of_the_program() -> Result<()> {
    let text = std::fs::read_to_string(chart().join("Chart.yaml"))?;
    let chart: Value = serde_saphyr::from_str(&text)?;
    let version = env!("CARGO_PKG_VERSION");
    ensure!(
        chart["version"] == version && chart["appVersion"] == version,
        "{chart}"
    );
    Ok(())
}
