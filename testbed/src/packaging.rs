//! What turns the sources of `deploy/` into manifests: helm and kustomize.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use crate::install;

/// Of the Prometheus operator, for PodMonitors and PrometheusRules.
const CRDS: [&str; 2] = ["podmonitors.yaml", "prometheusrules.yaml"];

/// The programs, and what API servers need for the manifests.
#[derive(Debug)]
pub struct Packaging {
    directory: PathBuf,
    /// helm reads and writes files in the home directory.
    home: TempDir,
}

impl Packaging {
    /// Finds them. The first call on a machine that lacks them builds them, which takes minutes
    /// and tells so on standard error.
    ///
    /// # Errors
    /// They cannot be had.
    pub async fn find() -> Result<Self> {
        let mut home = tempfile::Builder::new();
        Ok(Self {
            directory: install::find("packaging").await?,
            home: home.prefix("testbed-helm-").tempdir()?,
        })
    }

    /// What `helm` prints.
    ///
    /// # Errors
    /// It failed: the message is its own.
    pub async fn helm<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<String> {
        let mut helm = Command::new(self.directory.join("helm"));
        helm.args(arguments).env("HOME", self.home.path());
        // Neither the settings nor the cluster of the caller.
        for (variable, _) in std::env::vars_os() {
            let name = variable.to_string_lossy().into_owned();
            if name.starts_with("HELM_") || name.starts_with("XDG_") || name == "KUBECONFIG" {
                helm.env_remove(variable);
            }
        }
        output(helm).await
    }

    /// The manifests of a directory with a `kustomization.yaml`.
    ///
    /// # Errors
    /// kustomize failed: the message is its own.
    pub async fn kustomize(&self, directory: &Path) -> Result<String> {
        let mut kustomize = Command::new(self.directory.join("kustomize"));
        kustomize.arg("build").arg(directory);
        output(kustomize).await
    }

    /// The CustomResourceDefinitions of the Prometheus operator.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn crds(&self) -> Result<String> {
        let files = CRDS.map(|name| std::fs::read_to_string(self.directory.join(name)));
        let texts = files.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(texts.join("\n---\n"))
    }
}

async fn output(mut command: Command) -> Result<String> {
    let what = format!("{:?}", command.as_std());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.with_context(|| what.clone())?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{what}: {complaint}");
    Ok(String::from_utf8(output.stdout)?)
}
