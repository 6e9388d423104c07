//! The list operation, page by page and item by item, within the [`bounds`] of a list.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::timeout;

use super::{RestCloud, json};
use crate::cloud::call::{CallEvent, SkippedItem, Verb};
use crate::cloud::error::CloudError;
use crate::cloud::http_client::{ApiRequest, TOO_LARGE};
use crate::cloud::wire::{ListRequestBody, LoadBalancerBody, Object, read_page};
use crate::cloud::{Profile, body, bounds, footprint};
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::ClusterId;
use crate::priority::Priority;

/// A list that is being read.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) found: Vec<LoadBalancer>,
    pages: usize,
    /// The items of all pages, also those that were left out.
    items: usize,
    bytes: usize,
    /// The bytes of `found` in memory.
    kept: usize,
    /// The tokens of the pages.
    tokens: HashSet<String>,
}

impl Listing {
    fn begin_page(&mut self) -> Result<(), String> {
        self.pages += 1;
        within("pages", self.pages, bounds::LIST_PAGES)
    }

    fn count_bytes(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes += bytes;
        within("bytes", self.bytes, bounds::LIST_BYTES)
    }

    fn count_item(&mut self) -> Result<(), String> {
        self.items += 1;
        within("items", self.items, bounds::LIST_ITEMS)
    }

    /// Keeps a load balancer of this many bytes.
    fn keep(&mut self, found: LoadBalancer, bytes: usize) -> Result<(), String> {
        self.kept += bytes;
        self.found.push(found);
        within("bytes in memory", self.kept, bounds::LIST_KEPT)
    }

    /// Records the token of the next page; an error if it was there before.
    fn turn_to(&mut self, token: &str) -> Result<(), String> {
        if self.tokens.insert(token.to_owned()) {
            return Ok(());
        }
        Err("the list returned a page token for the second time".into())
    }
}

fn within(what: &str, count: usize, most: usize) -> Result<(), String> {
    if count <= most {
        return Ok(());
    }
    Err(format!("the list has more than {most} {what}"))
}

impl RestCloud {
    pub(super) async fn list_all(
        &self,
        cluster: &ClusterId,
    ) -> Result<Vec<LoadBalancer>, CloudError> {
        if self.api_client.profile == Profile::Basic {
            return Err(self.unsupported(Verb::List, "list"));
        }
        self.list_within(bounds::LIST_TIME, cluster).await
    }

    /// A list that is given up after this time.
    pub(super) async fn list_within(
        &self,
        limit: Duration,
        cluster: &ClusterId,
    ) -> Result<Vec<LoadBalancer>, CloudError> {
        let listed = timeout(limit, self.list_pages(cluster)).await;
        listed.unwrap_or_else(|_| {
            let message = format!("the list took longer than {limit:?}");
            Err(self.protocol(Verb::List, message))
        })
    }

    async fn list_pages(&self, cluster: &ClusterId) -> Result<Vec<LoadBalancer>, CloudError> {
        let exceeded = |message| self.protocol(Verb::List, message);
        let mut listing = Listing::default();
        let (mut size, mut token) = (bounds::PAGE_SIZE, None::<String>);
        loop {
            listing.begin_page().map_err(exceeded)?;
            token = match self
                .page(cluster, size, token.as_deref(), &mut listing)
                .await
            {
                Ok(next) => next,
                Err(error) if error.message().starts_with(TOO_LARGE) && size > 1 => {
                    size /= 2;
                    continue;
                }
                Err(error) => return Err(error),
            };
            match &token {
                None => return Ok(listing.found),
                Some(next) => listing.turn_to(next).map_err(exceeded)?,
            }
        }
    }

    /// Reads a page into the list; returns the token of the next one, if there is one.
    async fn page(
        &self,
        cluster: &ClusterId,
        size: usize,
        token: Option<&str>,
        listing: &mut Listing,
    ) -> Result<Option<String>, CloudError> {
        let api_request = ApiRequest {
            verb: Verb::List,
            address: &self.urls.list,
            priority: Priority::Background,
            permit: None,
            idempotency_key: None,
            body: json(&ListRequestBody::new(cluster, size, token)),
            limit: bounds::PAGE,
        };
        let span = self.span(Verb::List, &self.urls.list);
        // The page is converted here, so that neither its text nor its JSON outlives the call.
        let read = |body: &[u8]| self.read_page(cluster, body, listing);
        self.api_client.call(span, api_request, read).await
    }

    /// Reads the body of a page into the list; returns the token of the next one.
    pub(super) fn read_page(
        &self,
        cluster: &ClusterId,
        body: &[u8],
        listing: &mut Listing,
    ) -> Result<Option<String>, CloudError> {
        let exceeded = |message| self.protocol(Verb::List, message);
        listing.count_bytes(body.len()).map_err(exceeded)?;
        let take = |item: &RawValue| self.take_item(item, cluster, listing);
        read_page(body, take).map_err(|error| self.mismatch(Verb::List, &error))
    }

    /// Adds an item to the list. An unreadable item and one of another cluster cost only
    /// themselves, which is safe because a missing item proves nothing.
    ///
    /// # Errors
    /// The list exceeds a bound.
    fn take_item(
        &self,
        item: &RawValue,
        cluster: &ClusterId,
        listing: &mut Listing,
    ) -> Result<(), String> {
        listing.count_item()?;
        let read = serde_json::from_str::<Object<LoadBalancerBody<'_>>>(item.get())
            .map_err(|error| error.to_string())
            .and_then(|Object(item)| item.listed(self.reading()));
        let mut found = match read {
            Ok(found) => found,
            Err(error) => {
                self.skip_unreadable(item, &error);
                return Ok(());
            }
        };
        if let Some(owner) = &mut found.owner {
            // A cloud may ignore the owner in the request.
            if owner.cluster != *cluster {
                self.skip_foreign(&found);
                return Ok(());
            }
            owner.cluster = cluster.clone();
        }
        self.warn_of_refused(Verb::List, &found);
        let own = found.spec.nodes.clone();
        let found = self.sharing_nodes(found);
        let is_own = found.spec.nodes.is_shared_with(&own);
        let back_ends = if is_own {
            footprint::back_ends(&found)
        } else {
            0
        };
        let bytes = footprint::beside_back_ends(&found) + back_ends;
        listing.keep(found, bytes)
    }

    fn skip_unreadable(&self, item: &RawValue, error: &str) {
        self.skip(SkippedItem::Unreadable);
        if self.api_client.should_log(Verb::List, "unreadable_item") {
            let error = body::excerpt(error.as_bytes());
            let item = body::excerpt(item.get().as_bytes());
            tracing::warn!(cloud = %self.api_client.cloud, error, item, "a load balancer in the cloud's list cannot be read and is skipped");
        }
    }

    fn skip_foreign(&self, found: &LoadBalancer) {
        self.skip(SkippedItem::Foreign);
        if self.api_client.should_log(Verb::List, "foreign_item") {
            tracing::info!(cloud = %self.api_client.cloud, id = %found.id, name = %found.name, "the cloud's list has a load balancer of another cluster, which is skipped");
        }
    }

    fn skip(&self, item: SkippedItem) {
        let cloud = self.api_client.cloud.clone();
        (self.api_client.observer)(&CallEvent::Skipped { cloud, item });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_at_each_of_its_bounds() {
        let mut listing = Listing::default();
        for _ in 0..bounds::LIST_PAGES {
            listing.begin_page().expect("a page");
        }
        assert!(listing.begin_page().is_err());
        for _ in 0..bounds::LIST_ITEMS {
            listing.count_item().expect("an item");
        }
        assert!(listing.count_item().is_err());
        listing.count_bytes(bounds::LIST_BYTES).expect("bytes");
        assert!(listing.count_bytes(1).is_err());
        listing.turn_to("2").expect("a new token");
        assert!(listing.turn_to("2").is_err());
    }

    #[test]
    fn a_list_ends_at_what_it_keeps() {
        let name = crate::plan::naming::LoadBalancerName::new("web");
        let found = LoadBalancer::plain("lb-1", name, None);
        let mut listing = Listing::default();
        listing
            .keep(found.clone(), bounds::LIST_KEPT)
            .expect("kept");
        assert!(listing.keep(found, 1).is_err());
    }
}
