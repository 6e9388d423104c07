//! Reads for the start and for the commands.

use std::fmt::Debug;

use kube::Client;
use kube::api::Api;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::api_server::REQUEST;
use crate::kubernetes::{KubernetesError, reads};

/// Reads an object as it is.
///
/// # Errors
/// The API server failed or rejected the request, or did not answer in time.
pub async fn get(client: &Client, path: &str) -> Result<Value, KubernetesError> {
    reads::get(client, path, REQUEST).await
}

/// Reads all objects of a kind.
///
/// # Errors
/// As [`get`].
pub async fn list<K>(client: &Client) -> Result<Vec<K>, KubernetesError>
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    reads::list(&Api::<K>::all(client.clone()), REQUEST).await
}
