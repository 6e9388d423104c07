//! The end of the clouds' troubles, and what it shows of them.

use anyhow::Result;

use super::chapters::{BURNS, CLOUD1, Story};
use super::judge::{Expected, until_calm};
use super::world::NODES;

/// More than the burn rate is taken from.
pub const LATE: usize = 12;

impl Story {
    /// Who waited has an address now, but late.
    pub async fn recovery(&mut self) -> Result<()> {
        // Whatever waited for cloud1 is late, changes of Nodes too.
        let slow: Expected = ("MyCloudLBNodeSyncSlow", CLOUD1);
        self.chapter("the clouds are well again", &[BURNS, slow]);
        let world = &self.world;
        world.test.cloud1.clear_faults();
        world.test.cloud2.clear_faults();
        world.collector.works(true);
        self.exclude(&NODES, false).await?;
        // An edit ends the wait for the next try; it does not hide how long they waited.
        for index in 0..LATE {
            let name = format!("late-{index}");
            let test = &self.world.test;
            test.annotate(&name, &[("lb-bandwidth", Some("6M"))])
                .await?;
        }
        let page: Expected = (BURNS.0, &[("cloud", "cloud1"), ("long", "1h")]);
        let slow_page: Expected = (BURNS.0, &[("cloud", "cloud1"), ("long", "6h")]);
        self.until_go(&[page, slow_page]).await?;
        until_calm(&self.world.prometheus, &[BURNS]).await
    }
}
