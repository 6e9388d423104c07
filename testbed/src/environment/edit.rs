//! What a user does to a Service that is there.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Service;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::Environment;

impl Environment {
    /// Edits a Service: a merge patch without a precondition, as `kubectl edit`
    /// does.
    ///
    /// # Errors
    /// kube-apiserver refused it.
    pub async fn edit(&self, name: &str, patch: Value) -> Result<Service> {
        let edited = self
            .services()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        edited.with_context(|| format!("editing Service {name}"))
    }

    /// Sets annotations of ours, named without their prefix; `None` removes one.
    ///
    /// # Errors
    /// As [`Environment::edit`].
    pub async fn annotate(
        &self,
        name: &str,
        annotations: &[(&str, Option<&str>)],
    ) -> Result<Service> {
        let full = |name: &str| format!("{}/{name}", self.prefix);
        let annotations: Value = annotations
            .iter()
            .map(|(name, value)| (full(name), json!(value)))
            .collect();
        self.edit(name, json!({"metadata": {"annotations": annotations}}))
            .await
    }

    /// Deletes a Service; finalizers may keep it.
    ///
    /// # Errors
    /// kube-apiserver refused it.
    pub async fn delete(&self, name: &str) -> Result<()> {
        let deleted = self.services().delete(name, &DeleteParams::default()).await;
        deleted.with_context(|| format!("deleting Service {name}"))?;
        Ok(())
    }
}
