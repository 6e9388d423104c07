//! The story: its chapters in order, each with the alerts that it expects. The chapters with
//! failures have files of their own.

use std::time::Instant;

use anyhow::Result;
use testbed::environment::SOON;
use testbed::eventually;
use testbed::nodes::label_node;

use super::CALM_SCRAPES;
use super::alerts::{Chapter, Expected, now, until_all_fire, until_calm, until_none_pends};
use super::world::{NODES, World};

pub const CLOUD1: &[(&str, &str)] = &[("cloud", "cloud1")];
pub const CLOUD2: &[(&str, &str)] = &[("cloud", "cloud2")];
const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
/// The limit of MyCloudLBQueueBacklog, and more than the places at a cloud.
pub const MANY: usize = 100 + 80;
pub const BURNS: Expected = ("MyCloudLBProvisioningBudgetBurn", CLOUD1);
pub const BURNS2: Expected = (BURNS.0, CLOUD2);

pub struct Story {
    pub world: World,
    pub chapters: Vec<Chapter>,
    began: Instant,
}

impl Story {
    pub async fn begin() -> Result<Self> {
        let world = World::start().await?;
        // On a slow machine the first scrape may be late enough for MyCloudLBAbsent.
        until_calm(&world.prometheus, &[]).await?;
        let chapters = Vec::new();
        Ok(Self {
            world,
            chapters,
            began: Instant::now(),
        })
    }

    pub fn start(&self) -> f64 {
        self.chapters
            .first()
            .map_or_else(now, |chapter| chapter.start)
    }

    /// Starts a chapter: these alerts may fire from now on.
    pub(super) fn chapter(&mut self, title: &'static str, alerts: &[Expected]) {
        println!("{:5.1} s  {title}", self.began.elapsed().as_secs_f64());
        let alerts = alerts.to_vec();
        self.chapters.push(Chapter {
            title,
            start: now(),
            alerts,
        });
    }

    /// Waits until these alerts fire, or have fired in this chapter.
    pub(super) async fn until_firing(&self, alerts: &[Expected]) -> Result<()> {
        let since = self
            .chapters
            .last()
            .map_or_else(now, |chapter| chapter.start);
        until_all_fire(&self.world.prometheus, alerts, since).await
    }

    /// Services are created, edited and deleted, which should fire no alert.
    pub async fn calm(&mut self) -> Result<()> {
        self.chapter("all is well", &[]);
        let world = &self.world;
        world
            .services("cloud1", (0..3).map(|index| format!("one-{index}")))
            .await?;
        world
            .services("cloud2", (0..MANY).map(|index| format!("two-{index}")))
            .await?;
        let test = &world.test;
        test.service("both")
            .provider("cloud1,cloud2")
            .create()
            .await?;
        for name in ["one-0", "two-0", "both", &format!("two-{}", MANY - 1)] {
            test.until_ready(name).await?;
        }
        test.annotate("both", &[("lb-bandwidth", Some("50M"))])
            .await?;
        self.exclude(&NODES[2..], true).await?;
        let since = now();
        let prometheus = &self.world.prometheus;
        // Counts scrapes, not seconds: a busy machine skips scrapes.
        eventually("a time of calm", 2 * SOON, async || {
            let window = (now() - since) * 1e3;
            let seen =
                format!("count_over_time(mycloud_lb_nodes[{window:.0}ms]) >= {CALM_SCRAPES}");
            Ok((window > 0.5 && !prometheus.query(&seen).await?.is_empty()).then_some(()))
        })
        .await?;
        let test = &self.world.test;
        for name in ["one-2", "two-2"] {
            test.delete(name).await?;
            test.until_gone(name).await?;
        }
        until_none_pends(prometheus).await
    }

    pub(super) async fn exclude(&self, nodes: &[&str], excluded: bool) -> Result<()> {
        for node in nodes {
            let value = excluded.then_some("true");
            label_node(&self.world.test.client(), node, EXCLUDED, value).await?;
        }
        Ok(())
    }

    pub async fn calm_again(&mut self) -> Result<()> {
        self.chapter("all is well again", &[]);
        self.world.kubelets.alive(true);
        self.exclude(&NODES, false).await?;
        let test = &self.world.test;
        test.delete("both").await?;
        test.until_gone("both").await?;
        // A Service that was late a moment ago counts in the slow windows.
        until_calm(&self.world.prometheus, &[BURNS, BURNS2]).await
    }
}
