//! Events that never come.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::WatchEvent;
use testbed::cloud::Effect;
use testbed::interposer::View;

use crate::stage::{Since, acted_upon, ready, set_port, settled, stage, uid};

/// Keeps one kind of event about a Service of this name from being shown.
fn miss(
    view: &View,
    namespace: &str,
    name: &str,
    kind: fn(&WatchEvent<Service>) -> Option<&Service>,
) {
    let (namespace, name) = (Some(namespace.to_owned()), name.to_owned());
    view.miss(move |event| {
        kind(event)
            .is_some_and(|service| service.namespace() == namespace && service.name_any() == name)
    });
}

fn added(event: &WatchEvent<Service>) -> Option<&Service> {
    match event {
        WatchEvent::Added(service) => Some(service),
        _ => None,
    }
}

fn modified(event: &WatchEvent<Service>) -> Option<&Service> {
    match event {
        WatchEvent::Modified(service) => Some(service),
        _ => None,
    }
}

fn deleted(event: &WatchEvent<Service>) -> Option<&Service> {
    match event {
        WatchEvent::Deleted(service) => Some(service),
        _ => None,
    }
}

#[tokio::test]
async fn an_end_that_was_never_shown_is_no_beginning() -> Result<()> {
    let (test, interposer) = stage("missed-end").await?;
    let replica = test.sole_replica().await?;
    ready(&test, &["kept", "gone", "again", "vanished"]).await?;
    let names = ["gone", "again", "vanished"];
    for name in names {
        miss(interposer.view(), &test.namespace, name, deleted);
    }
    let since = Since::now(&test);
    test.delete("gone").await?;
    test.delete("again").await?;
    test.until_gone("gone").await?;
    test.until_gone("again").await?;
    test.control_plane
        .remove_service_from_etcd(&test.namespace, "vanished")
        .await?;
    interposer.view().missed(names.len()).await?;
    ready(&test, &["again"]).await?;
    let new = uid(&test, "again").await?;
    acted_upon(&test, &replica).await?;
    for (_, call) in since.mutations(&test) {
        let is_new = call.request["owner"]["uid"] == new.as_str();
        ensure!(call.effect != Some(Effect::Created) || is_new, "{call:?}");
    }
    // What vanished with our finalizer on is believed to be there until then.
    interposer.view().show_truth();
    settled(&test).await
}

#[tokio::test]
async fn a_change_that_was_never_shown_is_made_up_for() -> Result<()> {
    let (test, interposer) = stage("missed-change").await?;
    let replica = test.sole_replica().await?;
    ready(&test, &["kept", "edited", "leaving"]).await?;
    for name in ["edited", "leaving"] {
        miss(interposer.view(), &test.namespace, name, modified);
    }
    miss(interposer.view(), &test.namespace, "unseen", added);
    let since = Since::now(&test);
    set_port(&test, "edited", 8080).await?;
    test.delete("leaving").await?;
    test.service("unseen").provider("cloud2").create().await?;
    interposer.view().missed(3).await?;
    acted_upon(&test, &replica).await?;
    since.ensure_none(&test)?;
    interposer.view().show_truth();
    test.until_gone("leaving").await?;
    test.until_ready("unseen").await?;
    settled(&test).await
}
