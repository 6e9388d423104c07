//! A person who may only read, and the program on that person's machine.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::Environment;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A person who may only read, and the program on that person's machine.
pub struct Person<'a> {
    test: &'a Environment,
    directory: TempDir,
    account: String,
    kubeconfig: PathBuf,
}

impl<'a> Person<'a> {
    /// Who may read all that a plan needs.
    pub async fn reader(test: &'a Environment) -> Result<Self> {
        let rules = json!([
            {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list"]},
            {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]},
        ]);
        Self::with_rules(test, "reader", &rules).await
    }

    pub async fn with_rules(test: &'a Environment, name: &str, rules: &Value) -> Result<Self> {
        let namespace = &test.namespace;
        let role = format!("{namespace}-{name}");
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": role}, "rules": rules},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": role},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}]},
        ]});
        for object in objects["items"].as_array().into_iter().flatten() {
            test.control_plane.apply(&object.to_string()).await?;
        }
        let kubeconfig = test
            .control_plane
            .service_account_kubeconfig(namespace, name);
        let person = Self {
            test,
            directory: tempfile::tempdir()?,
            account: format!("system:serviceaccount:{namespace}:{name}"),
            kubeconfig: kubeconfig.await?,
        };
        person.configure(|config| config)?;
        Ok(person)
    }

    /// Changes the configuration file of this person, and nobody else's.
    pub fn configure(&self, change: impl FnOnce(String) -> String) -> Result<()> {
        let config = change(self.test.replica_options("unused").config_yaml);
        std::fs::write(self.directory.path().join("config.yaml"), config)?;
        Ok(())
    }

    pub fn file(&self, name: &str, text: &str) -> Result<String> {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    pub async fn run(&self, arguments: &[&str]) -> Result<Output> {
        self.run_with_input(arguments, "").await
    }

    pub async fn run_with_input(&self, arguments: &[&str], input: &str) -> Result<Output> {
        self.run_as(&self.kubeconfig, arguments, input).await
    }

    pub async fn run_as(
        &self,
        kubeconfig: &Path,
        arguments: &[&str],
        input: &str,
    ) -> Result<Output> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_my-cloud-controller-manager"));
        command.arg("plan").args(arguments);
        command
            .arg("--config")
            .arg(self.directory.path().join("config.yaml"));
        command.arg("--kubeconfig").arg(kubeconfig);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn()?;
        let mut stdin = child.stdin.take().context("a pipe")?;
        stdin.write_all(input.as_bytes()).await?;
        drop(stdin);
        Ok(child.wait_with_output().await?)
    }

    /// The JSON of one Service of the cluster, from a command that succeeded.
    pub async fn plan(&self, name: &str) -> Result<Value> {
        let output = self
            .run(&["-n", &self.test.namespace, name, "-o", "json"])
            .await?;
        ensure!(output.status.code() == Some(0), "{output:?}");
        only_service(&output)
    }

    pub async fn text(&self, name: &str) -> Result<String> {
        let output = self.run(&["-n", &self.test.namespace, name]).await?;
        ensure!(output.status.code() == Some(0), "{output:?}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Whether this person tried to write to the cluster.
    pub fn wrote(&self) -> Result<bool> {
        let events = self.test.control_plane.audit_events()?;
        let mut ours = events
            .iter()
            .filter(|event| event.user == self.account)
            .peekable();
        ensure!(ours.peek().is_some(), "{} read nothing", self.account);
        Ok(ours.any(|event| event.is_write()))
    }
}

pub fn services(output: &Output) -> Result<Vec<Value>> {
    let json: Value = serde_json::from_slice(&output.stdout)?;
    Ok(json["services"].as_array().context("services")?.clone())
}

pub fn only_service(output: &Output) -> Result<Value> {
    let mut services = services(output)?;
    ensure!(services.len() == 1, "{services:?}");
    Ok(services.remove(0))
}

/// The names of the actions.
pub fn actions(service: &Value) -> Vec<&str> {
    let actions = service["actions"].as_array().into_iter().flatten();
    actions
        .filter_map(|action| action["action"].as_str())
        .collect()
}

/// All that a plan must not change: the versions of the Services and the clouds' logs.
pub async fn state(test: &Environment) -> Result<(Vec<(String, String)>, usize)> {
    let all = test.services().list(&ListParams::default()).await?;
    let version = |service: &Service| {
        (
            service.name_any(),
            service.resource_version().unwrap_or_default(),
        )
    };
    let versions = all.iter().map(version).collect();
    Ok((versions, test.mutations().len()))
}
