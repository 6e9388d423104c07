//! The watch of all Services, with a store on every replica.

use futures::Stream;
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::api::Api;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};

use super::MetadataKeys;
use super::managed_fields::trim;

/// The settings of a watch: one list without pages, and then the watch. With pages, a
/// change during a re-list can be reconciled with the old state and then be missed: the
/// store swaps only after the last page (measured with kube-runtime 4.2).
pub(super) fn watch_settings() -> watcher::Config {
    watcher::Config {
        page_size: None,
        ..watcher::Config::default()
    }
}

/// Returns the store of the Services, and the stream of watch events that fills the
/// store while it is polled. The stream has a backoff while the watch fails.
pub fn services(
    client: Client,
    metadata_keys: MetadataKeys,
) -> (
    Store<Service>,
    impl Stream<Item = Result<watcher::Event<Service>, watcher::Error>> + Send,
) {
    let (store, writer) = reflector::store();
    let events = watcher(Api::<Service>::all(client), watch_settings())
        .default_backoff()
        .modify(move |service| trim(service, &metadata_keys));
    (store, reflector::reflector(writer, events))
}
