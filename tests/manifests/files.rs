//! The files of `deploy/`, read as a cluster reads them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Container;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A file of `deploy/`.
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(name)
}

/// Its objects.
pub fn documents(name: &str) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(file(name)).context(name.to_owned())?;
    serde_saphyr::from_multiple(&text).context(name.to_owned())
}

/// The only object of its type in a file. What its type does not know would be
/// lost on the way through it.
pub fn object<T: DeserializeOwned + Serialize + k8s_openapi::Resource>(name: &str) -> Result<T> {
    let mut of_kind = documents(name)?;
    of_kind.retain(|document| document["kind"] == T::KIND);
    let [document] = of_kind.as_slice() else {
        bail!("{name} has {} objects of kind {}", of_kind.len(), T::KIND);
    };
    let typed: T = serde_json::from_value(document.clone())?;
    let again = serde_json::to_value(&typed)?;
    ensure!(
        again == *document,
        "{name} says {document}, of which {again} is known"
    );
    Ok(typed)
}

/// Our Deployment and its only container.
pub fn deployment() -> Result<(Deployment, Container)> {
    let deployment: Deployment = object("ccm-deployment.yaml")?;
    let pod = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    let containers = pod.map(|pod| pod.containers.as_slice()).unwrap_or_default();
    let [container] = containers else {
        bail!("one container: {containers:?}");
    };
    let container = container.clone();
    Ok((deployment, container))
}
