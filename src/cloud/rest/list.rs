//! The list operation, page by page.

use std::collections::HashSet;

use super::{RestCloud, json};
use crate::cloud::call::Verb;
use crate::cloud::error::CloudError;
use crate::cloud::http_client::{ApiRequest, TOO_LARGE};
use crate::cloud::wire::{ListBody, ListRequestBody, LoadBalancerBody};
use crate::cloud::{Profile, body};
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::ClusterId;
use crate::priority::Priority;

/// Number of load balancers to request for a page; halved while a page is too large.
const PAGE_SIZE: usize = 500;

impl RestCloud {
    pub(super) async fn list_all(
        &self,
        cluster: &ClusterId,
    ) -> Result<Vec<LoadBalancer>, CloudError> {
        if self.api_client.profile == Profile::Basic {
            return Err(self.unsupported(Verb::List, "list"));
        }
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        let (mut size, mut token) = (PAGE_SIZE, None::<String>);
        loop {
            let mut page = match self.page(cluster, size, token.as_deref()).await {
                Ok(page) => page,
                Err(error) if error.message().starts_with(TOO_LARGE) && size > 1 => {
                    size /= 2;
                    continue;
                }
                Err(error) => return Err(error),
            };
            token = page.next();
            found.extend(page.items.into_iter().flatten().filter_map(|item| {
                let item = self.item(item)?;
                // A cloud may ignore the owner in the request.
                let foreign = item
                    .owner
                    .as_ref()
                    .is_some_and(|owner| owner.cluster != *cluster);
                (!foreign).then_some(item)
            }));
            match &token {
                None => return Ok(found),
                Some(next) if !seen.insert(next.clone()) => {
                    let message = "the list returned a page token for the second time";
                    return Err(self.protocol(Verb::List, message));
                }
                Some(_) => {}
            }
        }
    }

    async fn page(
        &self,
        cluster: &ClusterId,
        size: usize,
        token: Option<&str>,
    ) -> Result<ListBody, CloudError> {
        let api_request = ApiRequest {
            verb: Verb::List,
            address: &self.urls.list,
            priority: Priority::Background,
            permit: None,
            idempotency_key: None,
            body: json(&ListRequestBody::new(cluster, size, token)),
            limit: body::PAGE,
        };
        let span = self.span(Verb::List, &self.urls.list);
        let read = |body: &[u8]| self.parse(Verb::List, body);
        self.api_client.call(span, api_request, read).await
    }

    /// Reads an item of a list. An unreadable item is skipped, which is safe because a
    /// missing item proves nothing.
    fn item(&self, item: serde_json::Value) -> Option<LoadBalancer> {
        let read = serde_json::from_value::<LoadBalancerBody>(item)
            .map_err(|error| error.to_string())
            .and_then(|item| item.shown(self.api_client.profile));
        read.inspect_err(|error| {
            if self.api_client.should_log(Verb::List, "unreadable_item") {
                let error = body::excerpt(error.as_bytes());
                tracing::warn!(cloud = %self.api_client.cloud, error, "a load balancer in the cloud's list cannot be read and is skipped");
            }
        })
        .ok()
    }
}
