//! The call that asks a cloud what it can do.

use std::sync::Arc;

use super::{Answer, RestCloud};
use crate::cloud::call::Verb;
use crate::cloud::error::{CloudError, ErrorKind, Rejection};
use crate::cloud::http_client::ApiRequest;
use crate::cloud::wire::{CapabilitiesBody, Object};
use crate::cloud::{Profile, Told, bounds};
use crate::priority::Priority;

impl RestCloud {
    pub(super) async fn read_capabilities(&self) -> Result<Option<Told>, CloudError> {
        // As with the list: the smallest API has no such call.
        if self.api_client.profile == Profile::Basic {
            return Ok(None);
        }
        let api_request = ApiRequest {
            verb: Verb::Capabilities,
            address: &self.urls.capabilities,
            priority: Priority::Background,
            permit: None,
            idempotency_key: None,
            body: b"{}".to_vec(),
            limit: bounds::CAPABILITIES,
        };
        let span = self.span(Verb::Capabilities, &self.urls.capabilities);
        let read = |body: &[u8]| self.told(body);
        let told = self.api_client.call(span, api_request, read).await;
        let told = none_if_absent(told.map(Some))?;
        if let Some(told) = &told {
            *self.features.write() = Arc::new(told.capabilities.features.clone());
        }
        Ok(told)
    }

    /// Reads an answer about capabilities; `None` if the cloud has no such call. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// Those of the call.
    pub fn read_capabilities_answer(&self, answer: Answer) -> Result<Option<Told>, CloudError> {
        let verb = Verb::Capabilities;
        let answer = answer.into();
        let told = self
            .api_client
            .answered(verb, &answer, |body| self.told(body));
        none_if_absent(told.map(Some))
    }

    fn told(&self, body: &[u8]) -> Result<Told, CloudError> {
        let Object(body) = self.parse::<Object<CapabilitiesBody>>(Verb::Capabilities, body)?;
        let told = body.into_told(self.api_client.profile.capabilities());
        told.map_err(|message| self.protocol(Verb::Capabilities, message))
    }
}

/// A question without parameters can only be invalid where nobody knows it.
fn none_if_absent(told: Result<Option<Told>, CloudError>) -> Result<Option<Told>, CloudError> {
    match told {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound
                    | ErrorKind::Unsupported
                    | ErrorKind::Rejected(Rejection::InvalidArgument)
            ) =>
        {
            Ok(None)
        }
        told => told,
    }
}

#[cfg(test)]
mod tests;
