//! The chart, installed by helm on a real API server in a namespace of its own: a replica works
//! with the account, the rights and the flags that it has there.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::Value;
use testbed::{Environment, Packaging, Replica};

use super::rendered::{chart, find, objects};

const NAMESPACE: &str = "load-balancers";
const NAME: &str = "lbs-ccm";

struct Helm<'a> {
    packaging: &'a Packaging,
    kubeconfig: &'a Path,
}

impl Helm<'_> {
    async fn run(&self, words: &[&str]) -> Result<String> {
        let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let kubeconfig = self.kubeconfig.display().to_string();
        all.extend(["--namespace", NAMESPACE, "--kubeconfig", &kubeconfig].map(String::from));
        self.packaging.helm(&all).await
    }
}

#[tokio::test]
async fn a_replica_in_another_namespace_works_as_installed() -> Result<()> {
    let packaging = Packaging::find().await?;
    let test = Environment::own("installed").await?.with_node().await?;
    let helm = Helm {
        packaging: &packaging,
        kubeconfig: test.control_plane.kubeconfig_path(),
    };
    let chart = chart().display().to_string();
    let name = format!("fullnameOverride={NAME}");
    let options = ["--create-namespace", "--set", &name];
    let notes = helm
        .run(&[["install", "lbs", chart.as_str()].as_slice(), &options].concat())
        .await?;
    for told in [
        &format!("rollout status deployment/{NAME}"),
        "helm test lbs",
        "cloud1 cloud2",
    ] {
        ensure!(notes.contains(told), "{told}: {notes}");
    }

    let deployments: Api<Deployment> = Api::namespaced(test.client(), NAMESPACE);
    let installed = deployments.get(NAME).await?;
    let template = installed.spec.context("a spec")?.template;
    let pod = template.spec.context("a pod")?;
    let flag = |name: &str| {
        let mut args = pod.containers[0].args.iter().flatten();
        let value = args.find_map(|word| word.strip_prefix(name));
        value
            .map(|value| value.replace("$(POD_NAMESPACE)", NAMESPACE))
            .context(name.to_owned())
    };
    let mut options = test.replica_options("replica");
    options.kubeconfig = test
        .control_plane
        .service_account_kubeconfig(NAMESPACE, NAME)
        .await?;
    options.lease_namespace = flag("--leader-elect-resource-namespace=")?;
    let lease = flag("--leader-elect-resource-name=")?;
    options
        .extra_args
        .push(format!("--leader-elect-resource-name={lease}"));
    let kubeconfig = options.kubeconfig.clone();
    let config = options.config_yaml.clone();
    let _replica = Replica::start(options).await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let leases: Api<Lease> = Api::namespaced(test.client(), NAMESPACE);
    ensure!(
        leases.get_opt(NAME).await?.is_some(),
        "a Lease in the namespace"
    );

    // What `helm test` runs in a pod.
    let hooks = helm.run(&["get", "hooks", "lbs"]).await?;
    for arguments in commands_of_the_test(&hooks)? {
        let output = run(&arguments, &config, &kubeconfig).await?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
    }

    let user = format!("system:serviceaccount:{NAMESPACE}:{NAME}");
    let events = test.control_plane.audit_events()?;
    let mut theirs = events.iter().filter(|event| event.user == user).peekable();
    ensure!(theirs.peek().is_some(), "{user} asked for nothing");
    for event in theirs {
        ensure!(event.code != 403, "refused: {event:?}");
    }

    let upgrade = [
        "upgrade",
        "lbs",
        &chart,
        "--reuse-values",
        "--set",
        "config.orphans=report",
    ];
    helm.run(&upgrade).await?;
    let upgraded = deployments
        .get(NAME)
        .await?
        .spec
        .context("a spec")?
        .template;
    let hash = |metadata: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta>| {
        let annotations = metadata.and_then(|metadata| metadata.annotations);
        annotations.and_then(|mut annotations| annotations.remove("checksum/config"))
    };
    let (before, after) = (hash(template.metadata), hash(upgraded.metadata));
    ensure!(before.is_some() && before != after, "{before:?}, {after:?}");
    helm.run(&["uninstall", "lbs"]).await?;
    ensure!(deployments.get_opt(NAME).await?.is_none());
    Ok(())
}

/// Of the containers of the pod, in the order in which they run.
fn commands_of_the_test(hooks: &str) -> Result<Vec<Vec<String>>> {
    let objects = objects(hooks)?;
    let pod = &find(&objects, "Pod", &format!("{NAME}-test"))?["spec"];
    ensure!(pod["serviceAccountName"] == NAME);
    let containers =
        ["initContainers", "containers"].map(|of| pod[of].as_array().into_iter().flatten());
    let commands = containers.into_iter().flatten().map(|container: &Value| {
        let args = serde_json::from_value(container["args"].clone())?;
        Ok(args)
    });
    commands.collect()
}

async fn run(
    arguments: &[String],
    config: &str,
    kubeconfig: &Path,
) -> Result<std::process::Output> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(&file, config)?;
    let mounted = "/etc/my-cloud-controller-manager/config.yaml";
    let here = file.path().display().to_string();
    let arguments = arguments.iter().map(|word| word.replace(mounted, &here));
    let mut command =
        tokio::process::Command::new(env!("CARGO_BIN_EXE_my-cloud-controller-manager"));
    command.args(arguments).env("KUBECONFIG", kubeconfig);
    Ok(command.output().await?)
}
