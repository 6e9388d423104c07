//! The list operation, page by page.

use std::collections::HashSet;

use serde_json::value::RawValue;

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

/// One page of a list.
struct Page {
    items: Vec<LoadBalancer>,
    /// The token of the next page, if there is one.
    next: Option<String>,
}

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
            let page = match self.page(cluster, size, token.as_deref()).await {
                Ok(page) => page,
                Err(error) if error.message().starts_with(TOO_LARGE) && size > 1 => {
                    size /= 2;
                    continue;
                }
                Err(error) => return Err(error),
            };
            token = page.next;
            found.extend(page.items);
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
    ) -> Result<Page, CloudError> {
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
        // The page is converted here, so that neither its text nor its JSON outlives the call.
        let read = |body: &[u8]| {
            let mut page: ListBody<'_> = self.parse(Verb::List, body)?;
            let items = page.items.take().into_iter().flatten();
            Ok(Page {
                items: items.filter_map(|item| self.item(item, cluster)).collect(),
                next: page.next(),
            })
        };
        self.api_client.call(span, api_request, read).await
    }

    /// Reads an item of a list; `None` if it belongs to another cluster. An unreadable item
    /// is skipped, which is safe because a missing item proves nothing.
    fn item(&self, item: &RawValue, cluster: &ClusterId) -> Option<LoadBalancer> {
        let read = serde_json::from_str::<LoadBalancerBody>(item.get())
            .map_err(|error| error.to_string())
            .and_then(|item| item.shown(self.api_client.profile));
        let read = read.inspect_err(|error| {
            if self.api_client.should_log(Verb::List, "unreadable_item") {
                let error = body::excerpt(error.as_bytes());
                tracing::warn!(cloud = %self.api_client.cloud, error, "a load balancer in the cloud's list cannot be read and is skipped");
            }
        });
        let mut found = self.sharing_nodes(read.ok()?);
        if let Some(owner) = &mut found.owner {
            // A cloud may ignore the owner in the request.
            if owner.cluster != *cluster {
                return None;
            }
            owner.cluster = cluster.clone();
        }
        Some(found)
    }
}
