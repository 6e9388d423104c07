//! `deploy/`: what a cluster is told to run is what there is, with the rights
//! that it needs and no other.

mod manifests {
    mod chart;
    mod documented;
    mod drift;
    pub mod files;
    mod installed;
    mod network;
    mod pod_security;
    pub mod rendered;
    mod schema;
}

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Probe, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use my_cloud_controller_manager::args::Args;
use my_cloud_controller_manager::cloud::RestSettings;
use my_cloud_controller_manager::config::Config;
use serde_json::{Value, json};
use testbed::environment::SOON;
use testbed::nodes::NewNode;
use testbed::{Environment, Replica, eventually};

use manifests::files::{deployment, documents, file, object};

const NAME: &str = "my-cloud-controller-manager";
const NAMESPACE: &str = "kube-system";

#[test]
fn nothing_in_the_files_is_unknown_or_unnamed() -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let labels = json!({
        "app": "my-ccm", "app.kubernetes.io/name": NAME,
        "app.kubernetes.io/instance": NAME, "app.kubernetes.io/version": version,
    });
    let labelled = |document: &Value| document["metadata"]["labels"] == labels;
    for (name, kinds) in [
        ("rbac.yaml", 5),
        ("ccm-deployment.yaml", 3),
        ("network-policy.yaml", 1),
        ("secure-metrics/access.yaml", 4),
        ("monitoring/pod-monitor.yaml", 1),
        ("monitoring/prometheus-rule.yaml", 1),
    ] {
        let documents = documents(name)?;
        ensure!(
            documents.len() == kinds,
            "{name}: {} objects",
            documents.len()
        );
        ensure!(
            documents.iter().all(labelled),
            "{name}: every object has our labels, {labels}"
        );
    }
    let account: ServiceAccount = object("rbac.yaml")?;
    ensure!(account.metadata.name.as_deref() == Some(NAME));
    ensure!(account.metadata.namespace.as_deref() == Some(NAMESPACE));
    let cluster_role: ClusterRole = object("rbac.yaml")?;
    ensure!(cluster_role.metadata.name.as_deref() == Some("my-cloud-controller-manager-role"));
    let role: Role = object("rbac.yaml")?;
    ensure!(role.metadata.namespace.as_deref() == Some(NAMESPACE));

    let us = Subject {
        kind: "ServiceAccount".into(),
        name: NAME.into(),
        namespace: Some(NAMESPACE.into()),
        api_group: None,
    };
    let refers = |kind: &str, name: Option<String>| RoleRef {
        api_group: Some("rbac.authorization.k8s.io".into()),
        kind: kind.into(),
        name: name.unwrap_or_default(),
    };
    let binding: ClusterRoleBinding = object("rbac.yaml")?;
    ensure!(binding.metadata.name.as_deref() == Some("my-cloud-controller-manager-binding"));
    ensure!(binding.subjects == Some(vec![us.clone()]));
    ensure!(binding.role_ref == refers("ClusterRole", cluster_role.metadata.name));
    let binding: RoleBinding = object("rbac.yaml")?;
    ensure!(binding.metadata.namespace.as_deref() == Some(NAMESPACE));
    ensure!(binding.subjects == Some(vec![us]));
    ensure!(binding.role_ref == refers("Role", role.metadata.name));
    Ok(())
}

#[test]
fn the_deployment_is_the_published_one_with_three_replicas() -> Result<()> {
    let (deployment, container) = deployment()?;
    ensure!(deployment.metadata.name.as_deref() == Some(NAME));
    ensure!(deployment.metadata.namespace.as_deref() == Some(NAMESPACE));
    let spec = serde_json::to_value(&deployment.spec)?;
    ensure!(spec["replicas"] == 3);
    ensure!(spec["selector"]["matchLabels"] == json!({"app": "my-ccm"}));
    let labels = &spec["template"]["metadata"]["labels"];
    ensure!(labels["app"] == "my-ccm" && labels["app.kubernetes.io/name"] == NAME);
    let image = format!("{NAME}:{}", env!("CARGO_PKG_VERSION"));
    ensure!(container.image.as_ref() == Some(&image));
    let pod = &spec["template"]["spec"];
    ensure!(pod["serviceAccountName"] == NAME);
    ensure!(pod["tolerations"][0]["key"] == "node-role.kubernetes.io/control-plane");
    ensure!(
        pod["terminationGracePeriodSeconds"].as_u64() > Some(25),
        "longer than a drain and the release of the Lease"
    );
    ensure!(pod["enableServiceLinks"] == false);
    ensure!(container.name == "my-ccm");
    ensure!(container.command == Some(vec![format!("/usr/bin/{NAME}")]));
    let resources = serde_json::to_value(&container.resources)?;
    let expected = json!({
        "requests": {"cpu": "50m", "memory": "64Mi"},
        "limits": {"memory": "128Mi"},
    });
    ensure!(resources == expected, "{resources}");
    Ok(())
}

#[test]
fn the_program_takes_the_arguments_and_the_file_that_it_is_given() -> Result<()> {
    let (deployment, container) = deployment()?;
    let words = container.command.unwrap_or_default().into_iter();
    // As the kubelet does, with the variable that has the namespace of the pod.
    let given = container.args.unwrap_or_default().into_iter();
    let given = given.map(|word| word.replace("$(POD_NAMESPACE)", NAMESPACE));
    let mut args = Args::try_parse_from(words.chain(given))?;
    let variables = container.env.unwrap_or_default();
    let source = variables.iter().find(|one| one.name == "POD_NAMESPACE");
    let source = source.and_then(|one| one.value_from.as_ref()?.field_ref.as_ref());
    ensure!(source.is_some_and(|field| field.field_path == "metadata.namespace"));
    let given = args.config.take().context("a configuration file")?;

    // What is mounted where the argument points to.
    let map: ConfigMap = object("ccm-deployment.yaml")?;
    let mounts = container.volume_mounts.unwrap_or_default();
    let directory = given.parent().context("a directory")?;
    let mount = mounts
        .iter()
        .find(|mount| Path::new(&mount.mount_path) == directory);
    let volume = &mount.context("a mount of that directory")?.name;
    let pod = deployment.spec.and_then(|spec| spec.template.spec);
    let volumes = pod.and_then(|pod| pod.volumes).unwrap_or_default();
    let source = volumes.iter().find(|candidate| candidate.name == *volume);
    let source = source.and_then(|volume| volume.config_map.as_ref());
    ensure!(source.map(|source| &source.name) == map.metadata.name.as_ref());
    let name = given.file_name().and_then(|name| name.to_str());
    let content = map
        .data
        .unwrap_or_default()
        .remove(name.unwrap_or_default());

    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manifests-config.yaml");
    std::fs::write(&written, content.context("the file in the ConfigMap")?)?;
    args.config = Some(written);
    let config = Config::load(&args)?;
    let clouds: Vec<_> = config.clouds.iter().map(endpoint).collect();
    let expected = [
        ("cloud1", "http://cloud1-api:8080/"),
        ("cloud2", "http://cloud2-api:8080/"),
    ];
    ensure!(clouds == expected, "{clouds:?}");
    let election = config.election.context("an election")?;
    ensure!((election.namespace.as_str(), election.lease.as_str()) == (NAMESPACE, NAME));
    let ports = container.ports.unwrap_or_default();
    ensure!(ports.len() == 1 && ports[0].name.as_deref() == Some("admin"));
    ensure!(ports[0].container_port == i32::from(config.admin_address.port()));
    Ok(())
}

/// A rollout in which old replicas go one by one, while others of them can still be elected,
/// changes the leader more than once; and one that counts the old replicas puts new ones
/// together.
#[test]
fn a_rollout_replaces_all_replicas_together_and_spreads_the_new_ones() -> Result<()> {
    let (deployment, _) = deployment()?;
    let spec = serde_json::to_value(&deployment.spec)?;
    let strategy = json!({
        "type": "RollingUpdate", "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0},
    });
    ensure!(spec["strategy"] == strategy, "{}", spec["strategy"]);
    ensure!(spec["minReadySeconds"] == 10);
    let spread = |key: &str| {
        json!({
            "maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": spec["selector"], "matchLabelKeys": ["pod-template-hash"],
        })
    };
    let both = json!([
        spread("kubernetes.io/hostname"),
        spread("topology.kubernetes.io/zone")
    ]);
    let constraints = &spec["template"]["spec"]["topologySpreadConstraints"];
    ensure!(*constraints == both, "{constraints}");
    Ok(())
}

#[test]
fn drains_evict_one_replica_at_a_time() -> Result<()> {
    let (deployment, _) = deployment()?;
    let budget: PodDisruptionBudget = object("ccm-deployment.yaml")?;
    ensure!(budget.metadata.namespace == deployment.metadata.namespace);
    let budget = budget.spec.context("a spec")?;
    let selector = deployment.spec.map(|spec| spec.selector);
    ensure!(budget.selector == selector, "{budget:?}");
    ensure!(budget.max_unavailable == Some(IntOrString::Int(1)));
    // One that cannot become ready must not keep a Node from being drained.
    ensure!(budget.unhealthy_pod_eviction_policy.as_deref() == Some("AlwaysAllow"));
    Ok(())
}

fn endpoint(cloud: &RestSettings) -> (&str, &str) {
    (cloud.name.as_str(), cloud.endpoint.as_str())
}

/// A probe that is hasty restarts what is only slow.
#[test]
fn probes_are_patient() -> Result<()> {
    let (_, container) = deployment()?;
    let patience = |probe: &Option<Probe>| {
        let probe = probe.clone().unwrap_or_default();
        (
            probe.period_seconds,
            probe.timeout_seconds,
            probe.failure_threshold,
        )
    };
    ensure!(patience(&container.startup_probe) == (Some(2), Some(5), Some(30)));
    ensure!(patience(&container.liveness_probe) == (Some(10), Some(5), Some(6)));
    ensure!(patience(&container.readiness_probe) == (Some(5), Some(5), Some(3)));
    let delays = [container.startup_probe, container.liveness_probe];
    ensure!(
        delays
            .into_iter()
            .flatten()
            .all(|probe| probe.initial_delay_seconds.is_none()),
        "the startup probe stands for it"
    );
    Ok(())
}

#[test]
fn the_examples_are_the_published_ones() -> Result<()> {
    let port = json!([{"name": "http", "port": 80, "targetPort": 80}]);
    for (cloud, lb_spec, bandwidth) in [
        ("cloud1", "standard", "10M"),
        ("cloud2", "high-performance", "20M"),
    ] {
        let name = format!("nginx-lb-{cloud}");
        let service: Service = object(&format!("examples/{name}.yaml"))?;
        let expected = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "annotations": {
                "mycloud.com/enable": "true", "mycloud.com/provider": cloud,
                "mycloud.com/lb-spec": lb_spec, "mycloud.com/lb-bandwidth": bandwidth,
            }},
            "spec": {"type": "LoadBalancer", "selector": {"app": "nginx-demo"}, "ports": port},
        });
        ensure!(serde_json::to_value(&service)? == expected, "{service:?}");
    }
    let service: Service = object("examples/nginx-clusterip.yaml")?;
    let expected = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "nginx-clusterip"},
        "spec": {"type": "ClusterIP", "selector": {"app": "nginx-demo"}, "ports": port},
    });
    ensure!(serde_json::to_value(&service)? == expected, "{service:?}");
    let deployment: Deployment = object("examples/nginx-demo.yaml")?;
    let spec = serde_json::to_value(&deployment.spec)?;
    ensure!(spec["replicas"] == 2);
    ensure!(spec["template"]["spec"]["containers"][0]["ports"] == json!([{"containerPort": 80}]));
    Ok(())
}

/// API group, resource with its subresource, verb.
type Right = (String, String, String);

fn rights(rules: &[PolicyRule]) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for rule in rules {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                for verb in &rule.verbs {
                    rights.insert((group.clone(), resource.clone(), verb.clone()));
                }
            }
        }
    }
    rights
}

/// What the replicas asked kube-apiserver for, and that it was never refused.
fn used(test: &Environment) -> Result<BTreeSet<Right>> {
    let account = format!("system:serviceaccount:{NAMESPACE}:{NAME}");
    let mut used = BTreeSet::new();
    for event in test.control_plane.audit_events()? {
        if event.user != account {
            continue;
        }
        ensure!(event.code != 403, "refused: {event:?}");
        let path = event.request_uri.trim_start_matches('/');
        let group = path
            .strip_prefix("apis/")
            .and_then(|rest| rest.split('/').next());
        let resource = match event.subresource.as_str() {
            "" => event.resource,
            subresource => format!("{}/{subresource}", event.resource),
        };
        used.insert((group.unwrap_or_default().to_owned(), resource, event.verb));
    }
    Ok(used)
}

#[tokio::test]
async fn the_rules_allow_what_is_done_and_nothing_else() -> Result<()> {
    let test = Environment::own("rights").await?;
    // A real API server knows every field of them.
    for name in [
        "ccm-deployment.yaml",
        "network-policy.yaml",
        "secure-metrics/access.yaml",
        "examples/nginx-demo.yaml",
        "examples/nginx-lb-cloud1.yaml",
        "examples/nginx-lb-cloud2.yaml",
        "examples/nginx-clusterip.yaml",
    ] {
        test.control_plane.apply_file(&file(name)).await?;
    }
    let address = "127.10.0.1".parse()?;
    NewNode::new("node", address).create(&test.client()).await?;
    let replica = Replica::start(test.replica_options("replica")).await?;
    probes_are_answered(&replica).await?;

    // A life of a Service, with an Event that is emitted twice.
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    for _ in 0..2 {
        test.annotate("web", &[("lb-bandwidth", Some("fast"))])
            .await?;
        test.until_reason("web", "InvalidConfiguration").await?;
        test.annotate("web", &[("lb-bandwidth", Some("5M"))])
            .await?;
        test.until_ready("web").await?;
    }
    test.delete("web").await?;
    test.until_gone("web").await?;

    let (cluster_role, role): (ClusterRole, Role) = (object("rbac.yaml")?, object("rbac.yaml")?);
    let mut given = rights(&cluster_role.rules.unwrap_or_default());
    given.extend(rights(&role.rules.unwrap_or_default()));
    eventually("every right to be used", SOON, async || {
        let used = used(&test)?;
        let unused: Vec<_> = given.difference(&used).collect();
        ensure!(unused.is_empty(), "{unused:?} is never used");
        Ok(Some(()))
    })
    .await
}

async fn probes_are_answered(replica: &Replica) -> Result<()> {
    let (_, container) = deployment()?;
    for probe in [
        container.startup_probe,
        container.liveness_probe,
        container.readiness_probe,
    ] {
        let path = probe.and_then(|probe| probe.http_get?.path);
        let url = format!("{}{}", replica.admin_url(), path.context("a path")?);
        let answer = reqwest::get(&url).await?;
        ensure!(answer.status() == 200, "{answer:?}");
    }
    Ok(())
}
