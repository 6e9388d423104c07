//! No leader, many leaders in turn, two leaders; a replica without an API server.

use anyhow::Result;
use testbed::Replica;
use testbed::environment::SOON;

use super::alerts::{Expected, fires};
use super::bystanders::silent_api_server;
use super::chapters::Story;
use super::world::NODES;

/// One fewer than the replicas of that chapter.
const MOST_CHANGES: usize = 8;

impl Story {
    pub async fn leader_killed(&mut self) -> Result<()> {
        let none: Expected = ("MyCloudLBNoLeader", &[]);
        self.chapter("the leader is killed", &[none]);
        let leader = self.world.leader().await?;
        self.world.replicas[leader].kill();
        self.until_firing(&[none]).await?;
        self.world.leader().await?;
        self.world.again(leader).await
    }

    /// An acquisition counts only if Prometheus has scraped the replica before it. There are enough
    /// standbys for every change, because starting another replica may take long.
    pub async fn leaders_change(&mut self) -> Result<()> {
        let flapping: Expected = ("MyCloudLBLeaderFlapping", &[]);
        self.chapter("the leader changes often", &[flapping]);
        self.world.more_stand_by().await?;
        for _ in 0..MOST_CHANGES {
            let leader = self.world.seen_leading().await?;
            let replica = &mut self.world.replicas[leader];
            replica.terminate()?;
            replica.wait_exit(SOON).await?;
            if fires(&self.world.prometheus, &flapping).await? {
                break;
            }
        }
        self.world.seen_leading().await?;
        self.until_firing(&[flapping]).await?;
        self.world.three_again().await
    }

    pub async fn two_leaders(&mut self) -> Result<()> {
        let two: Expected = ("MyCloudLBTwoLeaders", &[]);
        self.chapter("a replica leads without election", &[two]);
        let mut options = self.world.options("ccm-alone");
        options.extra_args.push("--leader-elect=false".into());
        let alone = Replica::start(options).await?;
        self.world.scrape(&[("ccm-alone", &alone)])?;
        self.until_firing(&[two]).await?;
        self.world.scrape(&[])
    }

    pub async fn no_nodes(&mut self) -> Result<()> {
        let alerts: [Expected; 3] = [
            ("MyCloudLBNoEligibleNodes", &[]),
            ("MyCloudLBWatchStale", &[]),
            (
                "MyCloudLBHealthcheckFailing",
                &[("instance", "ccm-cut-off"), ("name", "services-synced")],
            ),
        ];
        self.chapter(
            "no Node, and a replica without an API server",
            &[
                &alerts[..],
                &[(
                    "MyCloudLBHealthcheckFailing",
                    &[("instance", "ccm-cut-off")],
                )],
            ]
            .concat(),
        );
        self.exclude(&NODES, true).await?;
        self.world.kubelets.alive(false);
        let mut options = self.world.options("ccm-cut-off");
        let _silence = silent_api_server(&mut options).await?;
        let cut_off = Replica::launch(options)?;
        self.world.scrape(&[("ccm-cut-off", &cut_off)])?;
        self.until_firing(&alerts).await?;
        self.world.scrape(&[])
    }
}
