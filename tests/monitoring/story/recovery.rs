//! The recovery of the clouds: the Services that waited get their addresses.

use anyhow::Result;

use super::alerts::{Expected, until_calm};
use super::chapters::{BURNS, CLOUD1, Story};
use super::world::NODES;

/// More than the ten Services that a burn rate requires.
pub const LATE: usize = 12;

impl Story {
    /// The Services that waited get their addresses.
    pub async fn recovery(&mut self) -> Result<()> {
        // Everything that waited for cloud1 comes late, including changes of Nodes.
        let slow: Expected = ("MyCloudLBNodeSyncSlow", CLOUD1);
        self.chapter("the clouds recover", &[slow]);
        let world = &self.world;
        world.test.cloud1.clear_faults();
        world.test.cloud2.clear_faults();
        world.collector.works(true);
        self.exclude(&NODES, false).await?;
        // An edit ends the wait for the next retry, but does not shorten the measured duration.
        for index in 0..LATE {
            let name = format!("late-{index}");
            let test = &self.world.test;
            test.annotate(&name, &[("lb-bandwidth", Some("6M"))])
                .await?;
        }
        until_calm(&self.world.prometheus, &[BURNS]).await
    }
}
