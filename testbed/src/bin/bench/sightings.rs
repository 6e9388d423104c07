//! What a watch shows of the Services, and when.

mod watch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kube::Client;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use watch::Watch;

use crate::progress::Progress;
use crate::requests;

/// The longest wait of a scenario: 10,000 Services on a busy machine.
const DEADLINE: Duration = Duration::from_secs(600);

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
    /// Why nothing more will be seen.
    failure: Option<String>,
}

/// All that was seen so far; the group of a Service is its name up to the last `-`.
pub struct Sightings {
    seen: Arc<Mutex<Seen>>,
    changed: Arc<Notify>,
    task: JoinHandle<()>,
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

    /// Waits until a count of a group is `enough`.
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
                if let Some(failure) = &self.seen.lock().failure {
                    bail!("the watch failed: {failure}");
                }
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

impl Drop for Sightings {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn is_of(name: &str, group: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(of, _)| of == group)
}
