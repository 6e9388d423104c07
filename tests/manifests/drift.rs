//! The plain manifests, with and without the components of `deploy/`, and the chart say the same.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::{Packaging, repository_path};

use super::rendered::{Identity, kustomization, objects, template};

/// What only one of the two knows: who installs, and the hash of what the pods read.
const OF_HELM: [&str; 3] = [
    "helm.sh/chart",
    "app.kubernetes.io/managed-by",
    "checksum/config",
];

#[tokio::test]
async fn the_manifests_are_the_chart_with_its_default_values() -> Result<()> {
    let packaging = Packaging::find().await?;
    let manifests = packaging.kustomize(&repository_path("deploy")).await?;
    same(&packaging, &manifests, &[]).await
}

#[tokio::test]
async fn the_overlays_are_the_chart_with_a_value_each() -> Result<()> {
    let packaging = Packaging::find().await?;
    for (overlay, values) in [
        (
            "monitoring",
            ["podMonitor.enabled=true", "prometheusRule.enabled=true"].as_slice(),
        ),
        ("secure-metrics", &["metrics.secure.enabled=true"]),
    ] {
        let directory = repository_path("overlays").join(overlay);
        let manifests = packaging.kustomize(&directory).await?;
        same(&packaging, &manifests, values)
            .await
            .context(overlay)?;
    }
    let both = kustomization(
        "resources: [DEPLOY]\ncomponents: [DEPLOY/monitoring, DEPLOY/secure-metrics]\n",
    )?;
    let manifests = packaging.kustomize(both.path()).await?;
    let values = [
        "podMonitor.enabled=true",
        "podMonitor.token.create=false",
        "prometheusRule.enabled=true",
        "metrics.secure.enabled=true",
    ];
    same(&packaging, &manifests, &values).await
}

/// A namespace is one value of either.
#[tokio::test]
async fn the_manifests_in_another_namespace_are_the_chart_there() -> Result<()> {
    let packaging = Packaging::find().await?;
    let there = kustomization("resources: [DEPLOY]\nnamespace: load-balancers\n")?;
    let manifests = packaging.kustomize(there.path()).await?;
    let chart = template(&packaging, "load-balancers", &["--skip-tests".into()]).await?;
    equal(&manifests, &chart)?;
    ensure!(!manifests.contains("namespace: kube-system"), "{manifests}");
    Ok(())
}

async fn same(packaging: &Packaging, manifests: &str, values: &[&str]) -> Result<()> {
    let set = values
        .iter()
        .flat_map(|value| ["--set".to_owned(), (*value).to_owned()]);
    let arguments: Vec<String> = set.chain(["--skip-tests".to_owned()]).collect();
    let chart = template(packaging, "kube-system", &arguments).await?;
    equal(manifests, &chart)
}

fn equal(manifests: &str, chart: &str) -> Result<()> {
    let (plain, chart) = (comparable(manifests)?, comparable(chart)?);
    let (plain_names, chart_names): (Vec<_>, Vec<_>) =
        (plain.keys().collect(), chart.keys().collect());
    ensure!(
        plain_names == chart_names,
        "deploy/ has {plain_names:?}, and the chart {chart_names:?}"
    );
    for (identity, object) in &plain {
        let other = &chart[identity];
        ensure!(
            object == other,
            "{identity:?}\nof deploy/:    {object}\nof the chart: {other}"
        );
    }
    Ok(())
}

fn comparable(yaml: &str) -> Result<BTreeMap<Identity, Value>> {
    let mut objects = objects(yaml)?;
    for object in objects.values_mut() {
        for place in ["/metadata", "/spec/template/metadata"] {
            let Some(metadata) = object.pointer_mut(place) else {
                continue;
            };
            for field in ["labels", "annotations"] {
                let Some(entries) = metadata[field].as_object_mut() else {
                    continue;
                };
                entries.retain(|name, _| !OF_HELM.contains(&name.as_str()));
            }
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.retain(|_, value| !value.is_null() && value != &serde_json::json!({}));
            }
        }
        // One is written by hand and the other by helm.
        if let Some(config) = object.pointer_mut("/data/config.yaml") {
            *config = serde_saphyr::from_str(config.as_str().context("a text")?)?;
        }
    }
    Ok(objects)
}
