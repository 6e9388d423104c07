//! A Service to be created.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Service;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::Environment;
use crate::cloud::LoadBalancer;

/// A Service of type LoadBalancer, enabled, with one TCP port 80.
pub struct NewService<'a> {
    environment: &'a Environment,
    name: String,
    annotations: BTreeMap<String, String>,
    finalizers: Vec<String>,
    spec: Value,
}

impl<'a> NewService<'a> {
    pub(super) fn new(environment: &'a Environment, name: &str) -> Self {
        let enable = (format!("{}/enable", environment.prefix), "true".to_owned());
        Self {
            environment,
            name: name.to_owned(),
            annotations: BTreeMap::from([enable]),
            finalizers: Vec::new(),
            spec: json!({"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]}),
        }
    }

    /// On this cloud, or these.
    pub fn provider(self, clouds: &str) -> Self {
        self.ours("provider", clouds)
    }

    /// With an annotation under our prefix.
    pub fn ours(mut self, name: &str, value: &str) -> Self {
        let name = format!("{}/{name}", self.environment.prefix);
        self.annotations.insert(name, value.to_owned());
        self
    }

    /// Without an annotation under our prefix.
    pub fn without(mut self, name: &str) -> Self {
        self.annotations
            .remove(&format!("{}/{name}", self.environment.prefix));
        self
    }

    /// With a foreign annotation.
    pub fn annotation(mut self, name: &str, value: &str) -> Self {
        self.annotations.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With a foreign finalizer.
    pub fn finalizer(mut self, name: &str) -> Self {
        self.finalizers.push(name.to_owned());
        self
    }

    /// With a field of `spec`.
    pub fn field(mut self, name: &str, value: Value) -> Self {
        self.spec[name] = value;
        self
    }

    /// Creates it, waits until it is ready, and gives its load balancer: the only one on cloud1.
    ///
    /// # Errors
    /// kube-apiserver refused it, or it was not ready in time.
    pub async fn served(self) -> Result<LoadBalancer> {
        let (environment, name) = (self.environment, self.name.clone());
        self.create().await?;
        environment.until_ready(&name).await?;
        let made = environment.cloud1.inventory().pop();
        made.context("a load balancer on cloud1")
    }

    /// Creates it.
    ///
    /// # Errors
    /// kube-apiserver refused it.
    pub async fn create(self) -> Result<Service> {
        let Self {
            environment,
            name,
            annotations,
            finalizers,
            spec,
        } = self;
        let service = json!({
            "metadata": {"name": name, "annotations": annotations, "finalizers": finalizers},
            "spec": spec,
        });
        let service: Service = serde_json::from_value(service)?;
        let created = environment
            .services()
            .create(&PostParams::default(), &service)
            .await;
        created.with_context(|| format!("creating Service {name}"))
    }
}
