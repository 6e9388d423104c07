//! The pods meet the profile "restricted" of Kubernetes' pod security standards, by the judgement of
//! a namespace that enforces it.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use testbed::ControlPlane;

use super::files::deployment;

#[tokio::test]
async fn a_namespace_that_enforces_restricted_takes_the_pods() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    let namespace = format!("restricted-{}", std::process::id());
    let labels = json!({
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    });
    let object: Namespace =
        serde_json::from_value(json!({"metadata": {"name": namespace, "labels": labels}}))?;
    let namespaces: Api<Namespace> = Api::all(control_plane.client());
    namespaces.create(&PostParams::default(), &object).await?;
    let pods: Api<Pod> = Api::namespaced(control_plane.client(), &namespace);

    let pod = pod()?;
    create(&pods, &pod).await?;
    for part in [
        "/spec/securityContext/runAsNonRoot",
        "/spec/securityContext/seccompProfile",
        "/spec/containers/0/securityContext/allowPrivilegeEscalation",
        "/spec/containers/0/securityContext/capabilities",
    ] {
        let mut lacking = pod.clone();
        *lacking.pointer_mut(part).context(part)? = Value::Null;
        let refusal = create(&pods, &lacking).await.err().context(part)?;
        let refusal = format!("{refusal:#}");
        ensure!(
            refusal.contains("violates PodSecurity \"restricted:latest\""),
            "{part}: {refusal}"
        );
    }
    Ok(())
}

/// As the Deployment's controller would create it.
fn pod() -> Result<Value> {
    let (deployment, _) = deployment()?;
    let template = deployment.spec.context("a spec")?.template;
    let mut pod = serde_json::to_value(&template)?;
    pod["metadata"]["name"] = json!("replica");
    Ok(pod)
}

async fn create(pods: &Api<Pod>, pod: &Value) -> Result<()> {
    let parameters = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    pods.create(&parameters, &serde_json::from_value(pod.clone())?)
        .await?;
    Ok(())
}

/// The standard asks for neither, nor for the token that is here alone.
#[test]
fn the_container_can_write_nothing_and_has_a_token_of_its_own() -> Result<()> {
    let (_, container) = deployment()?;
    let context = container.security_context.unwrap_or_default();
    ensure!(context.read_only_root_filesystem == Some(true));
    let mounts = container.volume_mounts.unwrap_or_default();
    ensure!(mounts.iter().all(|mount| mount.read_only == Some(true)));

    let pod = pod()?;
    ensure!(pod["spec"]["automountServiceAccountToken"] == false);
    // Where the Kubernetes client looks for it.
    let directory = "/var/run/secrets/kubernetes.io/serviceaccount";
    let mount = mounts.iter().find(|mount| mount.mount_path == directory);
    let volume = &mount.context("a mount of the token")?.name;
    let volumes = pod["spec"]["volumes"].as_array().context("volumes")?;
    let volume = volumes.iter().find(|found| found["name"] == **volume);
    let sources = &volume.context("the volume of the token")?["projected"]["sources"];
    let token = json!({"path": "token", "expirationSeconds": 3600});
    ensure!(sources[0]["serviceAccountToken"] == token, "{sources}");
    ensure!(sources[1]["configMap"]["items"][0]["path"] == "ca.crt");
    ensure!(sources[2]["downwardAPI"]["items"][0]["path"] == "namespace");
    Ok(())
}
