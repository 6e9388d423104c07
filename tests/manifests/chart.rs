//! The chart with each of its options: a real API server takes each object, and each option does
//! what it says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use testbed::environment::SOON;
use testbed::{ControlPlane, Packaging, eventually, repository_path};

use super::rendered::{Identity, chart, find, kustomization, objects, template};

/// The files in `deploy/chart/ci`, by the name of their option.
fn options() -> Result<BTreeMap<String, PathBuf>> {
    let mut options = BTreeMap::new();
    for entry in std::fs::read_dir(chart().join("ci"))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.and_then(|name| name.strip_suffix("-values.yaml"));
        options.insert(name.context("NAME-values.yaml")?.to_owned(), path);
    }
    ensure!(options.len() > 12, "{options:?}");
    Ok(options)
}

async fn with(packaging: &Packaging, namespace: &str, option: &str) -> Result<String> {
    let file = &options()?[option];
    let arguments = ["--values".to_owned(), file.display().to_string()];
    template(packaging, namespace, &arguments).await
}

/// A namespace that enforces restricted pod security, on a control plane that knows the resources
/// of the Prometheus operator.
async fn prepared(packaging: &Packaging, name: &str) -> Result<(ControlPlane, String)> {
    let control_plane = ControlPlane::shared().await?;
    control_plane.apply(&packaging.crds()?).await?;
    let namespace = format!("{name}-{}", std::process::id());
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let object: Namespace =
        serde_json::from_value(json!({"metadata": {"name": namespace, "labels": labels}}))?;
    let namespaces: Api<Namespace> = Api::all(control_plane.client());
    namespaces.create(&PostParams::default(), &object).await?;
    let monitor = "apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\n\
                   metadata: {name: any, namespace: default}\n\
                   spec: {selector: {}, podMetricsEndpoints: []}\n";
    let rule = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\n\
                metadata: {name: any, namespace: default}\nspec: {groups: []}\n";
    eventually(
        "the CustomResourceDefinitions to be served",
        SOON,
        async || {
            control_plane
                .validate(&format!("{monitor}---\n{rule}"))
                .await?;
            Ok(Some(()))
        },
    )
    .await?;
    Ok((control_plane, namespace))
}

#[tokio::test]
async fn the_api_server_takes_every_object_of_every_option() -> Result<()> {
    let packaging = Packaging::find().await?;
    let (control_plane, namespace) = prepared(&packaging, "chart").await?;
    let plain = template(&packaging, &namespace, &[]).await?;
    control_plane.validate(&plain).await?;
    for option in options()?.keys() {
        let rendered = with(&packaging, &namespace, option)
            .await
            .with_context(|| option.clone())?;
        ensure!(rendered != plain, "{option} changes nothing");
        let taken = control_plane
            .validate(&rendered)
            .await
            .with_context(|| option.clone())?;
        ensure!(taken.len() == objects(&rendered)?.len(), "{option}");
    }
    let strange = plain.replace("minReadySeconds", "minReadyseconds");
    let refusal = control_plane
        .validate(&strange)
        .await
        .err()
        .context("an unknown field")?;
    ensure!(
        format!("{refusal:#}").contains(".spec.minReadyseconds: field not declared in schema"),
        "{refusal:#}"
    );
    Ok(())
}

#[tokio::test]
async fn the_api_server_takes_every_object_of_every_overlay() -> Result<()> {
    let packaging = Packaging::find().await?;
    let (control_plane, namespace) = prepared(&packaging, "overlays").await?;
    let overlays = ["deploy", "overlays/monitoring", "overlays/secure-metrics"];
    for overlay in overlays {
        let manifests = packaging.kustomize(&repository_path(overlay)).await?;
        control_plane.validate(&manifests).await.context(overlay)?;
    }
    let all = kustomization(&format!(
        "resources: [DEPLOY]\ncomponents: [DEPLOY/monitoring, DEPLOY/secure-metrics]\nnamespace: {namespace}\n"
    ))?;
    control_plane
        .validate(&packaging.kustomize(all.path()).await?)
        .await?;
    Ok(())
}

async fn rendered(option: &str) -> Result<BTreeMap<Identity, Value>> {
    objects(&with(&Packaging::find().await?, "lbs", option).await?)
}

fn kinds(objects: &BTreeMap<Identity, Value>) -> Vec<&str> {
    objects.keys().map(|(kind, _, _)| kind.as_str()).collect()
}

#[tokio::test]
async fn everything_optional_can_be_left_out() -> Result<()> {
    let minimal = rendered("minimal").await?;
    ensure!(
        kinds(&minimal) == ["ConfigMap", "Deployment"],
        "{:?}",
        minimal.keys()
    );
    Ok(())
}

/// Else a second installation would take the pods, the Lease or the rights of the first.
#[tokio::test]
async fn a_second_installation_shares_no_name() -> Result<()> {
    let first = objects(&template(&Packaging::find().await?, "lbs", &[]).await?)?;
    let second = rendered("second-installation").await?;
    ensure!(first.len() == second.len());
    let shared: Vec<_> = second
        .keys()
        .filter(|name| first.contains_key(name))
        .collect();
    ensure!(shared.is_empty(), "{shared:?}");
    let deployment = find(&second, "Deployment", "other-ccm")?;
    let args = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    let args = args.as_array().context("args")?;
    ensure!(
        args.contains(&json!("--leader-elect-resource-name=other-ccm")),
        "{args:?}"
    );
    ensure!(deployment["spec"]["selector"]["matchLabels"] == json!({"app": "other-ccm"}));
    let lease = find(&second, "Role", "other-ccm-lease")?;
    ensure!(
        lease["rules"][1]["resourceNames"] == json!(["other-ccm"]),
        "{lease}"
    );
    Ok(())
}

#[tokio::test]
async fn a_change_of_the_configuration_rolls_the_pods_and_nothing_else_does() -> Result<()> {
    let packaging = Packaging::find().await?;
    let hash = async |value: &str| -> Result<Value> {
        let arguments = ["--set".to_owned(), value.to_owned()];
        let objects = objects(&template(&packaging, "lbs", &arguments).await?)?;
        let deployment = find(&objects, "Deployment", "my-cloud-controller-manager")?;
        Ok(deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"].clone())
    };
    let before = hash("replicas=3").await?;
    ensure!(before.is_string() && before == hash("replicas=4").await?);
    ensure!(before != hash("config.orphans=report").await?);
    Ok(())
}

/// `tokenFile` and `caFile` of the configuration are files that are mounted.
#[tokio::test]
async fn secrets_and_authorities_are_files_in_the_pod() -> Result<()> {
    let objects = rendered("files").await?;
    let deployment = find(&objects, "Deployment", "my-cloud-controller-manager")?;
    let pod = &deployment["spec"]["template"]["spec"];
    let mounts = pod["containers"][0]["volumeMounts"]
        .as_array()
        .context("mounts")?;
    let config = find(&objects, "ConfigMap", "my-cloud-controller-manager")?;
    let config = config["data"]["config.yaml"]
        .as_str()
        .context("config.yaml")?;
    let config: Value = serde_saphyr::from_str(config)?;
    let clouds = config["clouds"].as_array().context("clouds")?;
    let files = clouds
        .iter()
        .flat_map(|cloud| [&cloud["tokenFile"], &cloud["caFile"]]);
    let mut found = 0;
    for file in files.filter_map(Value::as_str) {
        let (directory, _) = file.rsplit_once('/').context("a path")?;
        let mount = mounts.iter().find(|mount| mount["mountPath"] == directory);
        let mount = mount.with_context(|| format!("nothing is mounted for {file}"))?;
        ensure!(mount["readOnly"] == true);
        let volumes = pod["volumes"].as_array().context("volumes")?;
        let volume = volumes
            .iter()
            .find(|volume| volume["name"] == mount["name"]);
        let volume = volume.context("a volume")?;
        let source = volume["secret"]["secretName"]
            .as_str()
            .or(volume["configMap"]["name"].as_str());
        ensure!(
            source.is_some_and(|name| directory.ends_with(&format!("/{name}"))),
            "{volume}"
        );
        found += 1;
    }
    ensure!(found == 3, "{found} files");
    Ok(())
}

#[tokio::test]
async fn the_network_policy_opens_the_ports_of_the_endpoints() -> Result<()> {
    let ports = async |option: &str| -> Result<Vec<Value>> {
        let objects = rendered(option).await?;
        let policy = find(&objects, "NetworkPolicy", "my-cloud-controller-manager")?;
        let egress = policy["spec"]["egress"].as_array().context("egress")?;
        let ports = egress
            .iter()
            .flat_map(|rule| rule["ports"].as_array().into_iter().flatten());
        Ok(ports.map(|port| port["port"].clone()).collect())
    };
    // Two of DNS, those of the API server, those of the clouds, and that of the collector.
    let of = |all: [i32; 7]| all.map(Value::from).to_vec();
    ensure!(ports("files").await? == of([53, 53, 443, 6443, 8443, 80, 4318]));
    // The last one is that of a proxy.
    ensure!(ports("network-policy").await? == of([53, 53, 6443, 9000, 9001, 4319, 3128]));
    Ok(())
}

#[tokio::test]
async fn boards_and_rules_have_the_labels_that_their_readers_select_by() -> Result<()> {
    let boards = rendered("dashboards").await?;
    let boards: Vec<&Value> = boards
        .iter()
        .filter(|((kind, _, name), _)| kind == "ConfigMap" && name.contains("-board-"))
        .map(|(_, board)| board)
        .collect();
    ensure!(boards.len() == 3, "{} boards", boards.len());
    for board in boards {
        ensure!(board["metadata"]["labels"]["grafana_dashboard"] == "yes");
        ensure!(board["metadata"]["annotations"]["grafana_folder"] == "Network");
        for text in board["data"].as_object().context("data")?.values() {
            let read: Value = serde_json::from_str(text.as_str().context("a text")?)?;
            ensure!(read["panels"].is_array(), "{}", board["metadata"]["name"]);
        }
    }
    let monitoring = rendered("monitoring").await?;
    for kind in ["PodMonitor", "PrometheusRule"] {
        let object = find(&monitoring, kind, "my-cloud-controller-manager")?;
        let labels = &object["metadata"]["labels"];
        ensure!(labels["release"] == "kube-prometheus-stack", "{labels}");
    }
    let rule = find(&monitoring, "PrometheusRule", "my-cloud-controller-manager")?;
    let groups = rule["spec"]["groups"].as_array().context("groups")?;
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().into_iter().flatten());
    let links: Vec<&str> = rules
        .filter_map(|rule| rule["annotations"]["runbook_url"].as_str())
        .collect();
    ensure!(links.len() > 20, "{} links", links.len());
    let address = "https://git.example.org/ours/runbook.md#";
    ensure!(
        links.iter().all(|link| link.starts_with(address)),
        "{links:?}"
    );
    Ok(())
}
