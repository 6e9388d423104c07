//! What a watch shows of the Services, and when.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::{AsyncBufReadExt, TryStreamExt};
use http::Request;
use kube::Client;
use kube::core::WatchEvent;
use parking_lot::Mutex;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::progress::Progress;
use crate::requests;

/// The longest wait of a scenario: 10,000 Services on a busy machine.
const DEADLINE: Duration = Duration::from_secs(600);

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

/// Of the Services of one group.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub created: usize,
    /// With an address, or with one before they went.
    pub addressed: usize,
    pub gone: usize,
}

#[derive(Clone, Copy, Default)]
struct Times {
    addressed: Option<Instant>,
    gone: Option<Instant>,
}

#[derive(Default)]
struct Seen {
    services: HashMap<String, Times>,
    groups: HashMap<String, Counts>,
}

/// All that was seen so far; the group of a Service is its name up to the last `-`.
pub struct Sightings {
    seen: Arc<Mutex<Seen>>,
    changed: Arc<Notify>,
    task: JoinHandle<Result<()>>,
}

impl Sightings {
    /// Of an empty namespace, from now on.
    ///
    /// # Errors
    /// kube-apiserver does not watch.
    pub async fn begin(client: &Client, namespace: &str) -> Result<Self> {
        let path = requests::services(namespace);
        let list: serde_json::Value = requests::get(client, &path).await?;
        let version = list["metadata"]["resourceVersion"].as_str();
        let version = version.context("a version")?;
        let (seen, changed) = (Arc::<Mutex<Seen>>::default(), Arc::<Notify>::default());
        let watch = Watch {
            client: client.clone(),
            path,
            version: version.to_owned(),
            seen: seen.clone(),
            changed: changed.clone(),
        };
        let task = tokio::spawn(watch.run());
        Ok(Self {
            seen,
            changed,
            task,
        })
    }

    /// Waits until a count of a group is `enough`; gives the time of that.
    ///
    /// # Errors
    /// It was not in time, or the watch ended.
    pub async fn until(
        &self,
        group: &str,
        what: &str,
        enough: usize,
        count: impl Fn(&Counts) -> usize,
    ) -> Result<()> {
        let progress = Progress::new(&format!("waiting for {what}"), enough);
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                let now = count(&self.counts(group));
                progress.at(now);
                if now >= enough {
                    return Ok(());
                }
                ensure!(!self.task.is_finished(), "the watch failed");
                changed.await;
            }
        };
        let result = tokio::time::timeout(DEADLINE, waiting).await;
        let reached = || format!("waited for {what}: {:?} of {enough}", self.counts(group));
        result.with_context(reached)?.with_context(reached)
    }

    /// As it is now.
    pub fn counts(&self, group: &str) -> Counts {
        let seen = self.seen.lock();
        seen.groups.get(group).copied().unwrap_or_default()
    }

    /// When the Service was first seen with an address.
    pub fn addressed(&self, name: &str) -> Option<Instant> {
        self.seen.lock().services.get(name)?.addressed
    }

    /// When each Service of a group was first seen with an address, sorted.
    pub fn addresses(&self, group: &str) -> Vec<Instant> {
        self.times(group, |times| times.addressed)
    }

    /// When each Service of a group was gone, sorted.
    pub fn ends(&self, group: &str) -> Vec<Instant> {
        self.times(group, |times| times.gone)
    }

    fn times(&self, group: &str, time: impl Fn(&Times) -> Option<Instant>) -> Vec<Instant> {
        let seen = self.seen.lock();
        let of_group = seen.services.iter().filter(|(name, _)| is_of(name, group));
        let mut times: Vec<Instant> = of_group.filter_map(|(_, times)| time(times)).collect();
        times.sort_unstable();
        times
    }
}

/// The watch behind the sightings.
struct Watch {
    client: Client,
    path: String,
    version: String,
    seen: Arc<Mutex<Seen>>,
    changed: Arc<Notify>,
}

impl Watch {
    /// Notes all events. kube-apiserver ends the watch of a client that is too slow for
    /// a moment; it goes on from the last event.
    async fn run(mut self) -> Result<()> {
        let ended = loop {
            if let Err(error) = self.follow().await {
                break error;
            }
        };
        self.changed.notify_waiters();
        Err(ended)
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

impl Drop for Sightings {
    fn drop(&mut self) {
        self.task.abort();
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

fn is_of(name: &str, group: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(of, _)| of == group)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
