//! Reads that are made once, each limited in time: of an object, and of all of a kind page by
//! page.

use std::fmt::Debug;
use std::time::Duration;

use kube::Client;
use kube::api::{Api, ListParams};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{KubernetesError, within};

/// The objects in a page of a list. kube-client holds the text of a page twice while it reads
/// it: of the largest objects that etcd takes (1.5 MiB), 10 are 30 MiB.
pub const PAGE_SIZE: u32 = 10;

/// Reads what is at a path as it is.
///
/// # Errors
/// The API server failed or rejected the request, or did not answer within `limit`.
pub async fn get(client: &Client, path: &str, limit: Duration) -> Result<Value, KubernetesError> {
    within(limit, async {
        let request = http::Request::get(path).body(Vec::new());
        let request = request.map_err(kube::Error::HttpError)?;
        client.request::<Value>(request).await
    })
    .await
}

/// Reads all objects of a kind.
///
/// # Errors
/// The API server failed or rejected a request, or needed more than `limit` for a page.
pub async fn list<K>(api: &Api<K>, limit: Duration) -> Result<Vec<K>, KubernetesError>
where
    K: Clone + DeserializeOwned + Debug,
{
    let mut parameters = ListParams::default().limit(PAGE_SIZE);
    let mut objects = Vec::new();
    loop {
        let page = within(limit, api.list(&parameters)).await?;
        objects.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok(objects),
        }
    }
}
