//! A list of Services from some moment, to be shown later.

use anyhow::Result;
use axum::response::{IntoResponse, Response};
use http::header;
use kube::Client;

use crate::interposer::behind::list_of_services;

/// All Services as they were, with the resourceVersion of that moment.
#[derive(Clone)]
pub struct OldList(String);

impl OldList {
    /// As it is now.
    ///
    /// # Errors
    /// kube-apiserver did not answer.
    pub async fn record(client: &Client) -> Result<Self> {
        Ok(Self(list_of_services(client).await?))
    }

    pub(super) fn answer(&self) -> Response {
        let headers = [(header::CONTENT_TYPE, "application/json")];
        (headers, self.0.clone()).into_response()
    }
}
