//! Every Service of the cluster, kept warm on every replica.

use futures::Stream;
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::api::Api;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};

use super::MetadataKeys;
use super::managed_fields::trim;

/// One unpaged list and then a watch. With pages, a change during a re-list
/// can be reconciled with its old state and then be missed: the store swaps
/// only at the end of the last page (measured with kube-runtime 4.2).
pub(super) fn watch_settings() -> watcher::Config {
    watcher::Config {
        page_size: None,
        ..watcher::Config::default()
    }
}

/// The Services in a store, and the stream that fills it while it is read:
/// each event, with its own backoff while the watch fails.
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
