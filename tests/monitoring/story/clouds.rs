//! Failures of the two clouds at the same time.

use anyhow::Result;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use my_cloud_controller_manager::plan::naming::{ClusterId, Owner, ServiceUid};
use testbed::cloud::{self, Code, Failure, Fault, FaultKind, Plant, Verb};

use super::alerts::{Expected, fires};
use super::bystanders::Edits;
use super::chapters::{BURNS, CLOUD1, CLOUD2, MANY, Story};
use super::recovery::LATE;
use super::world::NODES;

/// The edits that each chapter makes reach cloud2 late, or not before the next.
const EDITS2: Expected = ("MyCloudLBEditOverdue", CLOUD2);
/// The limit of the rounds of edits; the alert needs a quarter of a minute of them.
const MOST_ROUNDS: usize = 60;

impl Story {
    /// cloud1 fails for more than a minute. Meanwhile cloud2 is slow, throttles, pauses and hangs.
    pub async fn clouds_in_trouble(&mut self) -> Result<()> {
        let page: Expected = (BURNS.0, &[("cloud", "cloud1"), ("long", "1h")]);
        let slow_page: Expected = (BURNS.0, &[("cloud", "cloud1"), ("long", "6h")]);
        let on_cloud1: [Expected; 8] = [
            page,
            slow_page,
            ("MyCloudLBEditOverdue", CLOUD1),
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
        // The slower windows of the burn rate, and load balancers that lack a change of the Nodes.
        let may: [Expected; 3] = [
            BURNS,
            ("MyCloudLBRepairOverdue", CLOUD1),
            ("MyCloudLBNothingProvisioned", CLOUD1),
        ];
        self.chapter("cloud1 fails", &[&on_cloud1[..], &beside, &may].concat());
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

        // Slow first: after failures the retries are far apart.
        self.cloud2_is_slow().await?;
        self.cloud2_throttles().await?;
        self.cloud2_hangs().await?;
        self.until_firing(&on_cloud1).await?;
        self.until_firing(&beside).await?;
        drop(edits);
        Ok(())
    }

    /// Plants an orphan on cloud2, and lets its deletion fail.
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

    /// Ends the other faults of cloud2.
    async fn only_the_orphan_fails(&self) -> Result<()> {
        self.world.test.cloud2.clear_faults();
        self.leave_an_orphan().await
    }

    async fn cloud2_throttles(&mut self) -> Result<()> {
        let throttled: [Expected; 2] = [
            ("MyCloudLBCloudThrottled", CLOUD2),
            ("MyCloudLBNodeSyncErrors", CLOUD2),
        ];
        let paused: Expected = ("MyCloudLBCloudPaused", CLOUD2);
        let repairs: Expected = ("MyCloudLBRepairOverdue", CLOUD2);
        self.chapter(
            "cloud2 throttles",
            &[&throttled[..], &[repairs, EDITS2]].concat(),
        );
        self.only_the_orphan_fails().await?;
        let cloud2 = &self.world.test.cloud2;
        let throttle = |retry_after_seconds| FaultKind::Throttle {
            retry_after_seconds,
            as_date: false,
        };
        cloud2.set_fault(Fault::new(throttle(None)).on(Verb::Update));
        self.exclude(&NODES[2..], true).await?;
        self.until_firing(&throttled).await?;

        // A reconcile that waits for the end of a pause does not finish.
        let waits: Expected = ("MyCloudLBReconcileStuck", &[]);
        // No call is sent during a pause, so on a slow machine the last success may be too long ago.
        let silent: Expected = ("MyCloudLBCloudUnavailable", CLOUD2);
        self.chapter("cloud2 responds with Retry-After", &[paused, waits, silent]);
        self.only_the_orphan_fails().await?;
        let cloud2 = &self.world.test.cloud2;
        cloud2.set_fault(Fault::new(throttle(Some(5))).on(Verb::Update));
        self.until_firing(&[paused]).await
    }

    async fn cloud2_is_slow(&mut self) -> Result<()> {
        let slow: Expected = ("MyCloudLBNodeSyncSlow", CLOUD2);
        let waits: Expected = ("MyCloudLBReconcileStuck", &[]);
        self.chapter("cloud2 is slow", &[slow, waits, EDITS2]);
        let latency = FaultKind::Latency { millis: 2500 };
        let test = &self.world.test;
        test.cloud2.set_fault(Fault::new(latency).on(Verb::Update));
        self.exclude(&NODES[2..], false).await?;
        self.until_firing(&[slow]).await
    }

    async fn cloud2_hangs(&mut self) -> Result<()> {
        let must: [Expected; 2] = [
            ("MyCloudLBReconcileStuck", &[]),
            ("MyCloudLBQueueBacklog", &[]),
        ];
        // A call that hangs fails at its timeout.
        let may: [Expected; 3] = [
            ("MyCloudLBCloudErrors", CLOUD2),
            ("MyCloudLBCloudUnavailable", CLOUD2),
            ("MyCloudLBOrphanScanStale", CLOUD2),
        ];
        self.chapter("cloud2 hangs", &[&must[..], &may].concat());
        self.only_the_orphan_fails().await?;
        let test = &self.world.test;
        test.cloud2.set_fault(
            Fault::new(FaultKind::Hang {
                after_effect: false,
            })
            .on(Verb::Update),
        );
        self.exclude(&NODES[2..], false).await?;
        // Each call hangs, and each Service is due again when its call times out.
        for round in 0..MOST_ROUNDS {
            self.edit_all(&format!("{}M", 30 + round)).await?;
            if fires(&self.world.prometheus, &must[1]).await? {
                break;
            }
        }
        self.until_firing(&must).await
    }

    /// Edits every Service on cloud2; an edit ends the wait for the next retry.
    async fn edit_all(&self, bandwidth: &str) -> Result<()> {
        // two-2 was deleted in the calm.
        for index in (0..MANY).filter(|index| *index != 2) {
            let name = format!("two-{index}");
            let test = &self.world.test;
            test.annotate(&name, &[("lb-bandwidth", Some(bandwidth))])
                .await?;
        }
        Ok(())
    }
}
