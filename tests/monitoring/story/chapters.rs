//! What happens, chapter by chapter, and which alerts tell of it.

use std::time::Instant;

use anyhow::Result;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use my_cloud_controller_manager::plan::naming::{ClusterId, Owner, ServiceUid};
use serde_json::json;
use testbed::cloud::{self, Code, Failure, Fault, FaultKind, Plant, Verb};
use testbed::environment::SOON;
use testbed::nodes::label_node;
use testbed::{Replica, eventually};

use super::CALM;
use super::judge::{Chapter, Expected, goes, now, until_all_go, until_calm};
use super::world::{Edits, NODES, World, silent_api_server};

const CLOUD1: &[(&str, &str)] = &[("cloud", "cloud1")];
const CLOUD2: &[(&str, &str)] = &[("cloud", "cloud2")];
const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
/// More than the limit of the alert on the queue.
const MANY: usize = 130;
/// More than the burn rate is taken from.
const LATE: usize = 12;
/// Of edits to all of them; a quarter of a minute has to pass.
const MOST_ROUNDS: usize = 60;
/// One fewer than there are replicas then.
const MOST_CHANGES: usize = 8;
const BURNS: Expected = ("MyCloudLBProvisioningBudgetBurn", CLOUD1);

pub struct Story {
    pub world: World,
    pub chapters: Vec<Chapter>,
    began: Instant,
}

impl Story {
    pub async fn begin() -> Result<Self> {
        let world = World::start().await?;
        // On a slow machine it took long until somebody was scraped.
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

    /// These alerts may go from now on.
    fn chapter(&mut self, title: &'static str, alerts: &[Expected]) {
        println!("{:5.1} s  {title}", self.began.elapsed().as_secs_f64());
        let alerts = alerts.to_vec();
        self.chapters.push(Chapter {
            title,
            start: now(),
            alerts,
        });
    }

    /// Or went in this chapter.
    async fn until_go(&self, alerts: &[Expected]) -> Result<()> {
        let since = self
            .chapters
            .last()
            .map_or_else(now, |chapter| chapter.start);
        until_all_go(&self.world.prometheus, alerts, since).await
    }

    /// Services come, change and go; nobody should be called for that.
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
        let seen = format!(
            "count_over_time(mycloud_lb_nodes[{}s]) >= {}",
            CALM.as_secs(),
            CALM.as_secs() * 2 - 4
        );
        let prometheus = &self.world.prometheus;
        eventually("a time of calm", SOON, async || {
            Ok((!prometheus.query(&seen).await?.is_empty()).then_some(()))
        })
        .await?;
        let test = &self.world.test;
        for name in ["one-2", "two-2"] {
            test.delete(name).await?;
            test.until_gone(name).await?;
        }
        Ok(())
    }

    async fn exclude(&self, nodes: &[&str], excluded: bool) -> Result<()> {
        for node in nodes {
            let value = excluded.then_some("true");
            label_node(&self.world.test.client(), node, EXCLUDED, value).await?;
        }
        Ok(())
    }

    /// cloud1 fails for more than a minute. Meanwhile cloud2 has troubles of its own.
    pub async fn clouds_in_trouble(&mut self) -> Result<()> {
        let on_cloud1: [Expected; 5] = [
            ("MyCloudLBCloudErrors", CLOUD1),
            ("MyCloudLBCloudUnavailable", CLOUD1),
            ("MyCloudLBReconcileErrors", &[]),
            ("MyCloudLBOrphanScanStale", CLOUD1),
            ("MyCloudLBProvisioningOverdue", CLOUD1),
        ];
        let beside: [Expected; 2] = [
            ("MyCloudLBTraceExportFailing", &[]),
            ("MyCloudLBOrphans", CLOUD2),
        ];
        self.chapter("cloud1 fails", &[&on_cloud1[..], &beside].concat());
        let world = &self.world;
        let down = FaultKind::FailBefore(Failure::code(Code::Unavailable));
        world.test.cloud1.set_fault(Fault::new(down));
        world
            .services("cloud1", (0..LATE).map(|index| format!("late-{index}")))
            .await?;
        world.collector.works(false);
        self.leave_an_orphan().await?;
        let edits = [
            Edits::start(&self.world.test, "one-0"),
            Edits::start(&self.world.test, "two-0"),
        ];

        // Slow first: later the tries are far apart.
        self.cloud2_is_slow().await?;
        self.cloud2_throttles().await?;
        self.cloud2_hangs().await?;
        self.until_go(&on_cloud1).await?;
        self.until_go(&beside).await?;
        drop(edits);
        Ok(())
    }

    /// One that cloud2 does not let us delete.
    async fn leave_an_orphan(&self) -> Result<()> {
        let test = &self.world.test;
        let namespaces: Api<Namespace> = Api::all(test.client());
        let cluster = namespaces
            .get("kube-system")
            .await?
            .metadata
            .uid
            .unwrap_or_default();
        let owner = Owner {
            cluster: ClusterId::new(&cluster),
            namespace: test.namespace.clone(),
            name: "gone".into(),
            uid: ServiceUid::new("uid-of-a-service-that-is-gone"),
        };
        let busy = FaultKind::FailBefore(Failure::code(Code::Conflict));
        let name = owner.load_balancer_name().as_str().to_owned();
        test.cloud2
            .set_fault(Fault::new(busy).on(Verb::Delete).matching(&name));
        let owner = cloud::Owner {
            cluster,
            namespace: owner.namespace,
            name: owner.name,
            uid: owner.uid.as_str().to_owned(),
        };
        let owner = Some(owner);
        test.cloud2
            .plant(Plant {
                name,
                owner,
                ..Plant::default()
            })
            .await?;
        Ok(())
    }

    /// cloud2 is as it was, but for an orphan more.
    async fn only_the_orphan_is_wrong(&self) -> Result<()> {
        self.world.test.cloud2.clear_faults();
        self.leave_an_orphan().await
    }

    async fn cloud2_throttles(&mut self) -> Result<()> {
        let throttled: [Expected; 2] = [
            ("MyCloudLBCloudThrottled", CLOUD2),
            ("MyCloudLBNodeSyncErrors", CLOUD2),
        ];
        let paused: Expected = ("MyCloudLBCloudPaused", CLOUD2);
        self.chapter("cloud2 throttles", &throttled);
        self.only_the_orphan_is_wrong().await?;
        let cloud2 = &self.world.test.cloud2;
        let throttle = |retry_after_seconds| FaultKind::Throttle {
            retry_after_seconds,
            as_date: false,
        };
        cloud2.set_fault(Fault::new(throttle(None)).on(Verb::Update));
        self.exclude(&NODES[2..], true).await?;
        self.until_go(&throttled).await?;

        // A reconcile that waits for the end of a pause does not end either.
        let waits: Expected = ("MyCloudLBReconcileStuck", &[]);
        self.chapter("cloud2 asks for pauses", &[paused, waits]);
        self.only_the_orphan_is_wrong().await?;
        let cloud2 = &self.world.test.cloud2;
        cloud2.set_fault(Fault::new(throttle(Some(5))).on(Verb::Update));
        self.until_go(&[paused]).await
    }

    async fn cloud2_is_slow(&mut self) -> Result<()> {
        let slow: Expected = ("MyCloudLBNodeSyncSlow", CLOUD2);
        let waits: Expected = ("MyCloudLBReconcileStuck", &[]);
        self.chapter("cloud2 is slow", &[slow, waits]);
        let latency = FaultKind::Latency { millis: 2500 };
        let test = &self.world.test;
        test.cloud2.set_fault(Fault::new(latency).on(Verb::Update));
        self.exclude(&NODES[2..], false).await?;
        self.until_go(&[slow]).await
    }

    async fn cloud2_hangs(&mut self) -> Result<()> {
        let must: [Expected; 2] = [
            ("MyCloudLBReconcileStuck", &[]),
            ("MyCloudLBQueueBacklog", &[]),
        ];
        // What hangs ends as a failure.
        let may: [Expected; 3] = [
            ("MyCloudLBCloudErrors", CLOUD2),
            ("MyCloudLBCloudUnavailable", CLOUD2),
            ("MyCloudLBOrphanScanStale", CLOUD2),
        ];
        self.chapter("cloud2 hangs", &[&must[..], &may].concat());
        self.only_the_orphan_is_wrong().await?;
        let test = &self.world.test;
        test.cloud2.set_fault(
            Fault::new(FaultKind::Hang {
                after_effect: false,
            })
            .on(Verb::Update),
        );
        self.exclude(&NODES[2..], false).await?;
        // Each of them hangs and is due again, also when it gave up and hangs anew.
        for round in 0..MOST_ROUNDS {
            self.edit_all(&format!("{}M", 30 + round)).await?;
            if goes(&self.world.prometheus, &must[1]).await? {
                break;
            }
        }
        self.until_go(&must).await
    }

    /// Everything on cloud2; an edit ends the wait for the next try.
    async fn edit_all(&self, bandwidth: &str) -> Result<()> {
        // One of them was deleted.
        for index in (0..MANY).filter(|index| *index != 2) {
            let name = format!("two-{index}");
            let test = &self.world.test;
            test.annotate(&name, &[("lb-bandwidth", Some(bandwidth))])
                .await?;
        }
        Ok(())
    }

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
        for index in 0..LATE {
            self.hurry(&format!("late-{index}")).await?;
        }
        let page: Expected = (BURNS.0, &[("cloud", "cloud1"), ("long", "1h")]);
        let slow_page: Expected = (BURNS.0, &[("cloud", "cloud1"), ("long", "6h")]);
        self.until_go(&[page, slow_page]).await?;
        until_calm(&self.world.prometheus, &[BURNS]).await
    }

    /// An edit ends the wait for the next try. By another hand: one by that which
    /// asked for the load balancer asks anew, and is late only a minute from then.
    async fn hurry(&self, name: &str) -> Result<()> {
        let test = &self.world.test;
        let bandwidth = format!("{}/lb-bandwidth", test.prefix);
        let patch = json!({"metadata": {"annotations": {bandwidth: "6M"}}});
        let parameters = PatchParams::apply("somebody-else");
        let services = test.services();
        services
            .patch(name, &parameters, &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    pub async fn leader_killed(&mut self) -> Result<()> {
        let none: Expected = ("MyCloudLBNoLeader", &[]);
        self.chapter("the leader is killed", &[none]);
        let leader = self.world.leader().await?;
        self.world.replicas[leader].kill();
        self.until_go(&[none]).await?;
        self.world.leader().await?;
        self.world.again(leader).await
    }

    /// A leadership counts when Prometheus saw the replica without it before. So
    /// many stand by that nobody has to be started meanwhile, which may take long.
    pub async fn leaders_change(&mut self) -> Result<()> {
        let flapping: Expected = ("MyCloudLBLeaderFlapping", &[]);
        self.chapter("the leader changes and changes", &[flapping]);
        self.world.more_stand_by().await?;
        for _ in 0..MOST_CHANGES {
            let leader = self.world.seen_leading().await?;
            let replica = &mut self.world.replicas[leader];
            replica.terminate()?;
            replica.wait_exit(SOON).await?;
            if goes(&self.world.prometheus, &flapping).await? {
                break;
            }
        }
        self.world.seen_leading().await?;
        self.until_go(&[flapping]).await?;
        self.world.three_again().await
    }

    pub async fn two_leaders(&mut self) -> Result<()> {
        let two: Expected = ("MyCloudLBTwoLeaders", &[]);
        self.chapter("a replica leads without election", &[two]);
        let mut options = self.world.options("ccm-alone");
        options.extra_args.push("--leader-elect=false".into());
        let alone = Replica::start(options).await?;
        self.world.scrape(&[("ccm-alone", &alone)])?;
        self.until_go(&[two]).await?;
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
            "no Node, and a replica without API server",
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
        self.until_go(&alerts).await?;
        self.world.scrape(&[])
    }

    pub async fn calm_again(&mut self) -> Result<()> {
        self.chapter("all is well again", &[]);
        self.world.kubelets.alive(true);
        self.exclude(&NODES, false).await?;
        let test = &self.world.test;
        test.delete("both").await?;
        test.until_gone("both").await?;
        until_calm(&self.world.prometheus, &[BURNS]).await
    }
}
