//! Requests to the API server that are made once and limited in time: for the start and for
//! the commands.

use std::fmt::Debug;

use kube::Client;
use kube::api::{Api, ListParams};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::api_server::REQUEST;
use crate::kubernetes::{KubernetesError, within};

/// Number of objects of one page of a list: a page of large objects arrives in time.
const PAGE: u32 = 500;

/// Reads an object as it is.
///
/// # Errors
/// The API server failed or rejected the request, or did not answer in time.
pub async fn get(client: &Client, path: &str) -> Result<Value, KubernetesError> {
    within(REQUEST, async {
        let request = http::Request::get(path).body(Vec::new());
        let request = request.map_err(kube::Error::HttpError)?;
        client.request::<Value>(request).await
    })
    .await
}

/// Reads all objects of a kind.
///
/// # Errors
/// As [`get`].
pub async fn list<K>(client: &Client) -> Result<Vec<K>, KubernetesError>
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api = Api::<K>::all(client.clone());
    let mut parameters = ListParams::default().limit(PAGE);
    let mut objects = Vec::new();
    loop {
        let page = within(REQUEST, api.list(&parameters)).await?;
        objects.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok(objects),
        }
    }
}
