//! An API server that refuses our writes: nothing is created meanwhile, and
//! what was not written is written when it may be.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{Api, PostParams};
use testbed::environment::{SOON, calls};
use testbed::{Environment, eventually};

/// Takes the right to write to Services away, or gives it back.
async fn let_write(test: &Environment, allowed: bool) -> Result<()> {
    let roles = Api::<ClusterRole>::all(test.client());
    let mut role = roles.get("my-cloud-controller-manager-role").await?;
    let rules = role.rules.as_mut().context("rules")?;
    for rule in rules {
        let is_status = |name: &String| name == "services/status";
        if rule
            .resources
            .as_ref()
            .is_some_and(|names| names.iter().any(is_status))
        {
            rule.verbs = vec![if allowed { "patch" } else { "get" }.into()];
        }
    }
    let name = "my-cloud-controller-manager-role";
    roles.replace(name, &PostParams::default(), &role).await?;
    Ok(())
}

#[tokio::test]
async fn a_refused_write_is_made_up_for() -> Result<()> {
    let test = Environment::own("refused").await?.with_node().await?;
    let _replica = test.sole_replica().await?;
    test.service("known").provider("cloud1").create().await?;
    test.until_ready("known").await?;

    let_write(&test, false).await?;
    test.service("wrong").provider("cloud9").create().await?;
    test.service("web").provider("cloud2").create().await?;
    test.annotate("known", &[("lb-bandwidth", Some("fast"))])
        .await?;
    eventually("all three writes to be refused", SOON, async || {
        let writes = test.writes()?;
        let is_refused = |name: &str| {
            writes
                .iter()
                .any(|write| write.name == name && write.code == 403)
        };
        Ok(["wrong", "web", "known"]
            .into_iter()
            .all(is_refused)
            .then_some(()))
    })
    .await?;
    let note = test.until_event("web", "SyncLoadBalancerFailed").await?;
    ensure!(note.contains("deploy/rbac.yaml"), "{note}");
    ensure!(
        calls(&test.cloud2).is_empty(),
        "no create without a finalizer"
    );

    let_write(&test, true).await?;
    test.until_reason("wrong", "InvalidConfiguration").await?;
    test.until_reason("known", "InvalidConfiguration").await?;
    test.until_ready("web").await?;
    Ok(())
}
