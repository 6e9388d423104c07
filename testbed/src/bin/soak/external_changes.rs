//! Changes of our load balancers that come from outside the cluster.

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use fastrand::Rng;
use testbed::cloud::{CloudSimulator, LoadBalancer, State};
use testbed::oracle::Ledger;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How many load balancers were edited and removed.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExternalChanges {
    edited: usize,
    removed: usize,
}

impl ExternalChanges {
    /// Edits or removes one of our load balancers again and again, until `stop`.
    pub async fn make(
        &mut self,
        clouds: [&CloudSimulator; 2],
        others: &[LoadBalancer],
        ledgers: &mut [Ledger; 2],
        rng: &mut Rng,
        stop: &CancellationToken,
    ) {
        while !stop.is_cancelled() {
            let which = rng.usize(..clouds.len());
            let (cloud, ledger) = (clouds[which], &mut ledgers[which]);
            let mut ours = cloud.inventory();
            let is_others = |found: &LoadBalancer| others.iter().any(|other| other.id == found.id);
            ours.retain(|found| !is_others(found) && found.state != State::Deleting);
            if let Some(found) = rng.choice(&ours) {
                match rng.u8(0..3) {
                    0 => self.remove(cloud, &found.id, ledger).await,
                    _ => self.edit(cloud, &found.id, rng).await,
                }
            }
            let pause = Duration::from_millis(rng.u64(300..3_000));
            stop.run_until_cancelled(sleep(pause)).await;
        }
    }

    async fn remove(&mut self, cloud: &CloudSimulator, id: &str, ledger: &mut Ledger) {
        let before = cloud.micros();
        // Its owner may have been first.
        if cloud.remove(id).await.is_ok() {
            ledger.removed(id, before);
            self.removed += 1;
        }
    }

    async fn edit(&mut self, cloud: &CloudSimulator, id: &str, rng: &mut Rng) {
        let part = rng.u8(0..4);
        // Never the same twice: what is undone after each repair is left so.
        let number = rng.u16(30_000..32_768);
        let edited = cloud.edit(id, |found| {
            let settings = &mut found.settings;
            match part {
                0 => settings.bandwidth = format!("{number}M"),
                1 => settings.nodes.clear(),
                2 => {
                    settings.listeners.truncate(1);
                    let first = settings.listeners.iter_mut();
                    first.for_each(|listener| listener.node_port = number);
                }
                _ => {
                    let [high, low] = number.to_be_bytes();
                    let range = format!("10.{high}.{low}.0/24");
                    settings.source_ranges.push(range);
                }
            }
        });
        self.edited += usize::from(edited.await.is_ok());
    }
}

impl AddAssign for ExternalChanges {
    fn add_assign(&mut self, other: Self) {
        self.edited += other.edited;
        self.removed += other.removed;
    }
}

impl fmt::Display for ExternalChanges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { edited, removed } = self;
        write!(formatter, "from outside {edited} edited, {removed} removed")
    }
}
