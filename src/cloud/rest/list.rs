//! The list operation, page by page and item by item, within the [`bounds`] of a list.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::timeout;

use super::{RestCloud, json};
use crate::cloud::call::{CallEvent, SkippedItem, Verb};
use crate::cloud::error::CloudError;
use crate::cloud::http_client::{ApiRequest, TOO_LARGE};
use crate::cloud::wire::{ListRequestBody, LoadBalancerBody, Object, read_page};
use crate::cloud::{Listed, Outline, Profile, body, bounds, footprint};
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::ClusterId;
use crate::priority::Priority;

/// A list that is being read.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) found: Listed,
    pages: usize,
    /// The items of all pages, also those that were left out.
    items: usize,
    bytes: usize,
    /// The bytes of `found` in memory, without specs.
    kept: usize,
    /// The bytes of the specs in `found`.
    specs: usize,
    large_specs: usize,
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

    /// Keeps a load balancer with its spec, which occupies this many bytes beside the back ends,
    /// or without it if there is no room.
    fn keep(&mut self, found: LoadBalancer, back_ends: usize) -> Result<(), String> {
        self.kept += footprint::outline(&found);
        within("bytes in memory", self.kept, bounds::LIST_KEPT)?;
        let spec = footprint::of_spec(&found.spec);
        let (kept, most) = match spec <= bounds::LARGE_SPEC {
            true => (&mut self.specs, bounds::LIST_SPECS),
            false => (&mut self.large_specs, bounds::LIST_LARGE_SPECS),
        };
        let bytes = *kept + spec + back_ends;
        if bytes <= most {
            *kept = bytes;
            self.found.whole.push(Arc::new(found));
        } else {
            self.found.outlines.push(Outline::of(found));
        }
        Ok(())
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
    pub(super) async fn list_all(&self, cluster: &ClusterId) -> Result<Listed, CloudError> {
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
    ) -> Result<Listed, CloudError> {
        let listed = timeout(limit, self.list_pages(cluster)).await;
        listed.unwrap_or_else(|_| {
            let message = format!("the list took longer than {limit:?}");
            Err(self.protocol(Verb::List, message))
        })
    }

    async fn list_pages(&self, cluster: &ClusterId) -> Result<Listed, CloudError> {
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
            .and_then(|Object(item)| item.listed(&self.reading()));
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
        listing.keep(found, back_ends)
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
    use crate::plan::health_check::HealthCheck;
    use crate::plan::load_balancer::{Listener, Protocol};
    use crate::plan::naming::{Owner, ServiceUid};

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

    /// A load balancer with names of a usual length and plain ports.
    fn with_ports(count: u16) -> LoadBalancer {
        let owner = Owner {
            cluster: ClusterId::new("a-cluster"),
            namespace: "a-namespace".into(),
            name: "the-name-of-a-service".into(),
            uid: ServiceUid::new("6b2ab0a4-5d0e-4b6e-8a15-5e0b9b3c1f00"),
        };
        let name = owner.load_balancer_name();
        let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let mut found = LoadBalancer::plain(id, name, Some(owner));
        let port = |port| Listener {
            name: format!("port-{port:05}"),
            protocol: Protocol::Tcp,
            port,
            node_port: 30_000 + port,
            health_check: HealthCheck::Off,
            proxy_protocol: None,
            app_protocol: None,
        };
        found.spec.listeners = (1..=count).map(port).collect();
        found.addresses.ips = vec!["192.0.2.1".parse().expect("an address")];
        found
    }

    /// A list of load balancers with so many ports, as far as it goes.
    fn list(loads: &[(usize, u16)]) -> Result<Listing, String> {
        let mut listing = Listing::default();
        for (count, ports) in loads {
            for _ in 0..*count {
                listing.keep(with_ports(*ports), 0)?;
            }
        }
        Ok(listing)
    }

    #[test]
    fn a_list_has_room_for_what_is_promised() {
        let cases = [
            (&[(10_000, 3)][..], 10_000, "all of them whole"),
            (&[(1_000, 200)][..], 200, "those that there is room for"),
            (&[(1_000, 200), (10_000, 3)][..], 10_200, "both"),
            (&[(300, 256), (10_000, 3)][..], 10_100, "the largest first"),
            (&[(25_000, 30)][..], 1_000, "any number of ports"),
        ];
        for (loads, whole, why) in cases {
            let listing = list(loads).expect(why);
            let all: usize = loads.iter().map(|(count, _)| count).sum();
            let found = &listing.found;
            assert_eq!(found.len(), all, "{why}");
            assert!(found.whole.len() >= whole, "{why}: {}", found.whole.len());
            let bytes = listing.kept + listing.specs + listing.large_specs;
            assert!(bytes <= 25 << 20, "{why}: {bytes} bytes");
        }
    }

    #[test]
    fn many_ports_cost_those_of_others_no_room() {
        let listing = list(&[(5_000, 256), (1_000, 3)]).expect("a list");
        let small = |found: &&Arc<LoadBalancer>| found.spec.listeners.len() == 3;
        assert_eq!(listing.found.whole.iter().filter(small).count(), 1_000);
        for outline in listing.found.iter().skip(listing.found.whole.len()) {
            assert!(outline.spec.listeners.is_empty() && outline.owner.is_some());
        }
    }

    #[test]
    fn back_ends_of_their_own_take_room_too() {
        let mut listing = Listing::default();
        for _ in 0..3 {
            let half = bounds::LIST_SPECS / 2;
            listing.keep(with_ports(1), half - 1_000).expect("kept");
        }
        let Listed { whole, outlines } = listing.found;
        assert_eq!((whole.len(), outlines.len()), (2, 1));
    }

    #[test]
    fn a_list_ends_at_what_it_keeps() {
        let error = list(&[(100_000, 1)]).err().expect("too many");
        assert!(error.contains("bytes in memory"), "{error}");
    }
}
