//! The way to the API server, as kubectl finds it, and no other.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use testbed::{Environment, Replica};
use tokio::process::Command;

/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:1";

/// `HTTPS_PROXY` is for the clouds. It ended the program, or led the way to the API server
/// through the proxy.
#[tokio::test]
async fn a_proxy_for_the_clouds_is_none_for_the_api_server() -> Result<()> {
    let test = Environment::shared("proxied").await?;
    let mut options = test.replica_options("proxied");
    options.extra_args.push("--leader-elect=false".into());
    for variable in ["HTTPS_PROXY", "https_proxy"] {
        options.env.push((variable.into(), NOBODY.into()));
    }
    let _replica = Replica::start(options).await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    Ok(())
}

/// Runs the command `orphans`, which ends by itself, with this value of `KUBECONFIG`.
async fn orphans(test: &Environment, variable: &str) -> Result<std::process::Output> {
    let directory = tempfile::tempdir()?;
    let config = directory.path().join("config.yaml");
    std::fs::write(&config, test.replica_options("unused").config_yaml)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_my-cloud-controller-manager"));
    command.args(["orphans", "--config"]).arg(&config);
    command.env("KUBECONFIG", variable);
    command.env("HOME", directory.path());
    command.kill_on_drop(true);
    command.output().await.context("the command")
}

#[tokio::test]
async fn a_file_of_kubeconfig_that_does_not_exist_is_skipped() -> Result<()> {
    let test = Environment::shared("kubeconfigs").await?;
    let options = test.replica_options("unused");
    let present = options.kubeconfig.to_str().context("a path")?;
    let missing = Path::new(present).with_file_name("missing");
    let missing = missing.to_str().context("a path")?;
    for variable in [
        present.to_owned(),
        format!("{missing}:{present}"),
        format!("{present}:{missing}"),
    ] {
        let output = orphans(&test, &variable).await?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(text.contains("no orphans"), "{variable}: {output:?}");
    }
    let output = orphans(&test, missing).await?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !output.status.success() && complaint.contains("KUBECONFIG"),
        "{output:?}"
    );
    Ok(())
}
