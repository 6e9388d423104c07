//! Server-side apply of YAML with any kinds of objects in it.

use anyhow::{Context, Result};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiCapabilities, Scope, pinned_kind};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

/// Whose fields they are, in `managedFields`.
const FIELD_MANAGER: &str = "testbed";
const DEFAULT_NAMESPACE: &str = "default";

/// What becomes of the documents.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    /// They are written.
    Written,
    /// kube-apiserver only tells what it would have written.
    None,
}

/// Applies each document, in the order of the text; gives the objects as they are then. A field
/// that kube-apiserver does not know, or that is there twice, is an error.
pub(super) async fn apply(
    client: &Client,
    yaml: &str,
    effect: Effect,
) -> Result<Vec<DynamicObject>> {
    let parameters = PatchParams {
        dry_run: match effect {
            Effect::Written => false,
            Effect::None => true,
        },
        ..PatchParams::apply(FIELD_MANAGER)
            .force()
            .validation_strict()
    };
    let mut applied = Vec::new();
    for object in documents(yaml)? {
        let types = object
            .types
            .clone()
            .context("a document without apiVersion and kind")?;
        let kind = GroupVersionKind::try_from(&types)?;
        let what = format!("applying {} {}", kind.kind, object.name_any());
        let found = pinned_kind(client, &kind)
            .await
            .with_context(|| what.clone())?;
        let answer = api(client, &object, &found)
            .patch(&object.name_any(), &parameters, &Patch::Apply(&object))
            .await
            .context(what)?;
        applied.push(answer);
    }
    Ok(applied)
}

fn api(
    client: &Client,
    object: &DynamicObject,
    (resource, capabilities): &(ApiResource, ApiCapabilities),
) -> Api<DynamicObject> {
    match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), resource),
        Scope::Namespaced => {
            let namespace = object.namespace();
            let namespace = namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
            Api::namespaced_with(client.clone(), namespace, resource)
        }
    }
}

/// A document of only comments is none.
fn documents(yaml: &str) -> Result<Vec<DynamicObject>> {
    let values: Vec<Value> = serde_saphyr::from_multiple(yaml)?;
    values
        .into_iter()
        .filter(|value| !value.is_null())
        .map(|value| Ok(serde_json::from_value(value)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_documents_and_comments_are_no_objects() {
        let yaml = "# head\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n# only a remark\n---\n";
        let names: Vec<String> = documents(yaml)
            .unwrap()
            .iter()
            .map(|o| o.name_any())
            .collect();
        assert_eq!(names, ["a"]);
    }
}
