//! The watch behind the sightings.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use futures::{AsyncBufReadExt, TryStreamExt};
use http::Request;
use kube::Client;
use kube::core::WatchEvent;
use parking_lot::Mutex;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::Notify;

use super::{Seen, Times};

/// Only what is needed of a Service: most of its JSON is skipped.
#[derive(Clone, Deserialize)]
struct Shown {
    metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    resource_version: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    load_balancer: LoadBalancer,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct LoadBalancer {
    ingress: Vec<IgnoredAny>,
}

/// A watch of the Services of a namespace.
pub(super) struct Watch {
    pub(super) client: Client,
    pub(super) path: String,
    pub(super) version: String,
    pub(super) seen: Arc<Mutex<Seen>>,
    pub(super) changed: Arc<Notify>,
}

impl Watch {
    /// Notes all events. kube-apiserver ends the watch of a client that is too slow for
    /// a moment; it goes on from the last event.
    pub(super) async fn run(mut self) {
        let failure = loop {
            if let Err(error) = self.follow().await {
                break error;
            }
        };
        self.seen.lock().failure = Some(format!("{failure:#}"));
        self.changed.notify_waiters();
    }

    async fn follow(&mut self) -> Result<()> {
        let Self { path, version, .. } = self;
        let watch = format!("{path}?watch=true&resourceVersion={version}&timeoutSeconds=7200");
        let request = Request::get(watch).body(Vec::new())?;
        let mut lines = self.client.request_stream(request).await?.lines();
        while let Some(line) = lines.try_next().await? {
            let event = serde_json::from_str(&line)?;
            if let Some(version) = self.seen.lock().note(event, Instant::now())? {
                self.version = version;
            }
            self.changed.notify_waiters();
        }
        Ok(())
    }
}

impl Seen {
    /// Notes an event; gives the version that the watch has reached.
    fn note(&mut self, event: WatchEvent<Shown>, now: Instant) -> Result<Option<String>> {
        let (service, is_gone) = match event {
            WatchEvent::Added(service) | WatchEvent::Modified(service) => (service, false),
            WatchEvent::Deleted(service) => (service, true),
            WatchEvent::Bookmark(_) => return Ok(None),
            WatchEvent::Error(status) => bail!("the watch: {status:?}"),
        };
        let Metadata {
            name,
            resource_version,
        } = service.metadata;
        let group = name.rsplit_once('-').map_or("", |(group, _)| group);
        let counts = self.groups.entry(group.to_owned()).or_default();
        let times = self.services.entry(name).or_insert_with(|| {
            counts.created += 1;
            Times::default()
        });
        if times.addressed.is_none() && !service.status.load_balancer.ingress.is_empty() {
            times.addressed = Some(now);
            counts.addressed += 1;
        }
        if times.gone.is_none() && is_gone {
            times.gone = Some(now);
            counts.gone += 1;
        }
        Ok(Some(resource_version))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Counts;
    use super::*;

    fn event(kind: &str, name: &str, status: serde_json::Value) -> WatchEvent<Shown> {
        let metadata = json!({"name": name, "resourceVersion": "7", "uid": "ignored"});
        let event = json!({
            "type": kind,
            "object": {"kind": "Service", "metadata": metadata, "spec": {}, "status": status},
        });
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn the_first_address_and_the_end_of_each_service_count_once() {
        let address = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
        let none = json!({"loadBalancer": {}});
        let mut seen = Seen::default();
        let mut note = |kind, name, status: &serde_json::Value| {
            seen.note(event(kind, name, status.clone()), Instant::now())
                .unwrap()
        };
        note("ADDED", "web-1", &none);
        note("ADDED", "user-1", &none);
        note("MODIFIED", "web-1", &address);
        note("MODIFIED", "web-1", &address);
        assert_eq!(note("DELETED", "web-1", &none).as_deref(), Some("7"));
        let counts = |group: &str| {
            let Counts {
                created,
                addressed,
                gone,
            } = seen.groups[group];
            (created, addressed, gone)
        };
        assert_eq!((counts("web"), counts("user")), ((1, 1, 1), (1, 0, 0)));
    }
}
