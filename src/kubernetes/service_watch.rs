//! The watch of all Services, with a store on every replica.

use std::future::ready;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use kube::Client;
use kube::api::Api;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};

use super::MetadataKeys;
use super::service_object::Service;
use super::unreadable::UnreadableObjects;
use crate::telemetry::Metrics;

/// The objects in a page of a list: a list in one piece is held twice as text, which is
/// 60 MB for ten thousand Services.
const PAGE_SIZE: u32 = 500;

/// The settings of a watch. The store swaps only after the last page of a list (measured
/// with kube-runtime 4.2), so that nothing may act on an object of a list before.
pub(super) fn watch_settings() -> watcher::Config {
    watcher::Config {
        page_size: Some(PAGE_SIZE),
        ..watcher::Config::default()
    }
}

/// Returns the store of the Services, and the stream of watch events that fills the
/// store while it is polled. The stream has a backoff while the watch fails.
pub fn services(
    client: Client,
    metadata_keys: MetadataKeys,
    metrics: Arc<Metrics>,
) -> (
    Store<Service>,
    impl Stream<Item = Result<watcher::Event<Service>, watcher::Error>> + Send,
) {
    let (store, writer) = reflector::store();
    let mut unreadable = UnreadableObjects::new("service", metrics);
    let events = watcher(Api::<Service>::all(client), watch_settings())
        .default_backoff()
        .modify(move |service| service.trim(&metadata_keys))
        .filter(move |event| ready(unreadable.observe(event)));
    (store, reflector::reflector(writer, events))
}
