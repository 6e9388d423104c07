//! The manifests as helm and kustomize give them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::{Packaging, repository_path};

/// The name of the release with which the chart gives the objects of `deploy/`.
pub const RELEASE: &str = "my-cloud-controller-manager";

/// Kind, namespace and name.
pub type Identity = (String, String, String);

pub fn chart() -> PathBuf {
    repository_path("deploy/chart")
}

/// What `helm template` prints for the release in a namespace.
pub async fn template(
    packaging: &Packaging,
    namespace: &str,
    arguments: &[String],
) -> Result<String> {
    let chart = chart().display().to_string();
    let mut words = ["template", RELEASE, &chart, "--namespace", namespace]
        .map(String::from)
        .to_vec();
    words.extend_from_slice(arguments);
    packaging.helm(&words).await
}

/// The objects of a text. It is an error if one is there twice.
pub fn objects(yaml: &str) -> Result<BTreeMap<Identity, Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml)?;
    let mut objects = BTreeMap::new();
    for object in documents.into_iter().filter(|found| !found.is_null()) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (kind, metadata) = (text(&object["kind"]), &object["metadata"]);
        let identity = (kind, text(&metadata["namespace"]), text(&metadata["name"]));
        let twice = objects.insert(identity.clone(), object).is_some();
        ensure!(!twice, "{identity:?} is there twice");
    }
    Ok(objects)
}

/// The object of this kind and name.
pub fn find<'a>(
    objects: &'a BTreeMap<Identity, Value>,
    kind: &str,
    name: &str,
) -> Result<&'a Value> {
    let found = objects
        .iter()
        .find(|((of, _, called), _)| of == kind && called == name);
    let (_, object) = found.with_context(|| format!("no {kind} {name}"))?;
    Ok(object)
}

/// A directory within the repository, which kustomize demands, that is gone when it is dropped.
pub fn kustomization(text: &str) -> Result<tempfile::TempDir> {
    let parent = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let directory = tempfile::tempdir_in(parent)?;
    let upwards = "../".repeat(directory.path().components().count() - 1);
    let deploy = repository_path("deploy").canonicalize()?;
    let deploy = format!("{upwards}{}", deploy.strip_prefix("/")?.display());
    let text = text.replace("DEPLOY", &deploy);
    std::fs::write(directory.path().join("kustomization.yaml"), text)?;
    Ok(directory)
}
