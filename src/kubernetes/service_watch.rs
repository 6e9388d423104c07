//! The watch of all Services, with a store on every replica.

use std::future::ready;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use kube::Client;
use kube::api::Api;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};

use super::MetadataKeys;
use super::data_version::Eras;
use super::node_watch::NodeChoices;
use super::service_object::Service;
use super::unreadable::UnreadableObjects;
use super::watch::{self, WatchTiming};
use crate::plan::annotation::NODE_SELECTOR;
use crate::telemetry::Metrics;

/// Returns the store of the Services, and the stream of watch events that fills the
/// store while it is polled. It pauses while the watch fails, and begins anew with each era.
pub fn services(
    client: Client,
    timing: WatchTiming,
    eras: Eras,
    metadata_keys: MetadataKeys,
    choices: Arc<NodeChoices>,
    metrics: Arc<Metrics>,
) -> (
    Store<Service>,
    impl Stream<Item = Result<watcher::Event<Service>, watcher::Error>> + Send,
) {
    let (store, writer) = reflector::store();
    let selector = metadata_keys.annotation(NODE_SELECTOR.name());
    let mut unreadable = UnreadableObjects::new("service", metrics);
    let events = watch::events(Api::<Service>::all(client), timing, eras.subscribe())
        .inspect(move |event| note(event, &eras))
        .modify(move |service| {
            service.trim(&metadata_keys);
            // Before the first attempt of a leader asks for it, and on standbys too.
            if service.annotation(&selector).is_some() {
                choices.need_labels();
            }
        })
        .filter(move |event| ready(unreadable.observe(event)));
    (store, reflector::reflector(writer, events))
}

/// Only Services: a cluster may keep its Nodes in another etcd, with versions of its own.
fn note(event: &Result<watcher::Event<Service>, watcher::Error>, eras: &Eras) {
    use watcher::Event;
    if let Ok(Event::Apply(service) | Event::InitApply(service) | Event::Delete(service)) = event {
        eras.note(&service.metadata);
    }
}
