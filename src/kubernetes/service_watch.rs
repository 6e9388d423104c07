//! The watch of all Services, with a store on every replica.

use std::future::ready;

use futures::{Stream, StreamExt};
use kube::api::Api;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource};

use super::MetadataKeys;
use super::service_object::Service;

/// The objects in a page of a list. A page is held as text and as objects at the same
/// time; of Services with as many annotations as the API takes (256 KiB), 50 are 25 MB.
const PAGE_SIZE: u32 = 50;

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
) -> (
    Store<Service>,
    impl Stream<Item = Result<watcher::Event<Service>, watcher::Error>> + Send,
) {
    let (store, writer) = reflector::store();
    let events = watcher(Api::<Service>::all(client), watch_settings())
        .default_backoff()
        .modify(move |service| service.trim(&metadata_keys))
        .filter(|event| ready(is_named(event)));
    (store, reflector::reflector(writer, events))
}

/// Whether an event is about an object with a name, without which the store would panic. An
/// object that is not even that much of its kind is skipped.
pub(super) fn is_named<K>(event: &Result<watcher::Event<K>, watcher::Error>) -> bool
where
    K: Resource<DynamicType = ()>,
{
    use watcher::Event;
    let Ok(Event::Apply(object) | Event::InitApply(object) | Event::Delete(object)) = event else {
        return true;
    };
    let metadata = object.meta();
    if metadata.name.is_none() {
        let (kind, namespace, uid) = (K::kind(&()), &metadata.namespace, &metadata.uid);
        tracing::warn!(%kind, ?namespace, ?uid, "the API server shows an object without a name, which is skipped");
    }
    metadata.name.is_some()
}
