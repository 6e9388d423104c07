//! Requests to kube-apiserver without the cost of typed objects: the harness shares
//! the processors with what it measures.

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use http::Request;
use kube::Client;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::progress::Progress;

/// Requests of one loop in flight, as many as the controller's own Service writer has.
const IN_FLIGHT: usize = 32;

/// Services of a namespace.
pub fn services(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/services")
}

/// Events of a namespace.
pub fn events(namespace: &str) -> String {
    format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events")
}

/// Creates an object.
///
/// # Errors
/// kube-apiserver refused it.
pub async fn create(client: &Client, path: &str, object: &Value) -> Result<()> {
    let request = Request::post(path).header("content-type", "application/json");
    send(client, request, serde_json::to_vec(object)?, path).await
}

/// Patches an object.
///
/// # Errors
/// kube-apiserver refused it.
pub async fn merge_patch(client: &Client, path: &str, patch: &Value) -> Result<()> {
    let request = Request::patch(path).header("content-type", "application/merge-patch+json");
    send(client, request, serde_json::to_vec(patch)?, path).await
}

/// Deletes an object; finalizers may keep it.
///
/// # Errors
/// kube-apiserver refused it.
pub async fn delete(client: &Client, path: &str) -> Result<()> {
    send(client, Request::delete(path), Vec::new(), path).await
}

/// Reads an object or a list.
///
/// # Errors
/// kube-apiserver refused it, or answered something else.
pub async fn get<T: DeserializeOwned>(client: &Client, path: &str) -> Result<T> {
    let request = Request::get(path).body(Vec::new())?;
    let answer = client.request_text(request).await;
    let answer = answer.with_context(|| path.to_owned())?;
    serde_json::from_str(&answer).with_context(|| path.to_owned())
}

/// The requests that kube-apiserver has answered so far, its own included.
///
/// # Errors
/// kube-apiserver did not answer.
pub async fn counted(client: &Client) -> Result<f64> {
    let metrics = Request::get("/metrics").body(Vec::new())?;
    let text = client.request_text(metrics).await?;
    let series = text
        .lines()
        .filter(|line| line.starts_with("apiserver_request_total{"));
    let values = series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    Ok(values.sum())
}

async fn send(
    client: &Client,
    request: http::request::Builder,
    body: Vec<u8>,
    path: &str,
) -> Result<()> {
    let answer = client.request_text(request.body(body)?).await;
    answer.with_context(|| path.to_owned())?;
    Ok(())
}

/// Runs `job` for each number below `count`, several at a time.
///
/// # Errors
/// The first of a job.
pub async fn each<F: Future<Output = Result<()>>>(
    what: &str,
    count: usize,
    job: impl Fn(usize) -> F,
) -> Result<()> {
    let progress = Progress::new(what, count);
    let jobs = stream::iter(0..count).map(job).buffer_unordered(IN_FLIGHT);
    jobs.try_for_each(async |()| {
        progress.advance();
        Ok(())
    })
    .await
}
