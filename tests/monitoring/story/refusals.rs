//! A cloud that answers reads and refuses what Services ask for, and a cloud that left the
//! configuration: nothing is slow, and only the age of the changes tells.

use anyhow::Result;
use serde_json::json;
use testbed::cloud::{Code, Failure, Fault, FaultKind, Verb};

use super::alerts::{Expected, until_calm};
use super::bystanders::Edits;
use super::chapters::{BURNS, BURNS2, CLOUD1, CLOUD2, Story};

/// More than the ten Services that a burn rate requires.
const REFUSED: usize = 12;
/// Those for which the quota does not suffice, and the begin of their names.
const OVER_QUOTA: usize = 3;
const NO_QUOTA: &str = "over-quota";
const EDITED: &str = "two-3";
const MOVED: &str = "two-4";
const LEFT: &str = "on-cloud3";
const DELETION: Expected = ("MyCloudLBDeletionOverdue", &[("cloud", "not_configured")]);

impl Story {
    /// cloud2 has revoked our right to write. Each part begins while those before it go on.
    pub async fn refusals(&mut self) -> Result<()> {
        let overdue: Expected = ("MyCloudLBProvisioningOverdue", CLOUD2);
        let nothing: Expected = ("MyCloudLBNothingProvisioned", CLOUD2);
        self.chapter(
            "cloud2 refuses our right to write",
            &[overdue, nothing, BURNS2],
        );
        // The first fault that fits a call strikes it.
        let full = FaultKind::FailBefore(Failure::code(Code::QuotaExceeded));
        let full = Fault::new(full).on(Verb::Create).matching(NO_QUOTA);
        self.world.test.cloud2.set_fault(full);
        for verb in [Verb::Create, Verb::Update] {
            let denied = FaultKind::FailBefore(Failure::code(Code::PermissionDenied));
            self.world
                .test
                .cloud2
                .set_fault(Fault::new(denied).on(verb));
        }
        self.world.services("cloud2", refused()).await?;
        self.until_firing(&[nothing]).await?;
        self.quota_used_up().await?;
        self.deletion_on_a_cloud_that_left().await?;
        self.refused_edit().await?;
        self.move_to_a_cloud_that_is_down().await?;
        self.until_firing(&[overdue, BURNS2, DELETION]).await?;
        let all = REFUSED + OVER_QUOTA;
        let all = format!("mycloud_lb_provisioning_overdue{{cloud=\"cloud2\"}} >= {all}");
        self.world.seen("all of them to be overdue", &all).await?;
        self.end_of_refusals().await
    }

    /// Nobody but the operator can raise it, so these Services are overdue too.
    async fn quota_used_up(&mut self) -> Result<()> {
        self.chapter("the quota of cloud2 is used up", &[]);
        let names = over_quota();
        self.world.services("cloud2", names).await?;
        let refused =
            "mycloud_lb_provisioning_failures_total{cloud=\"cloud2\",reason=\"quota\"} > 0";
        self.world
            .seen("a refusal for lack of quota", refused)
            .await
    }

    /// The Service has a load balancer of a time when there was a third cloud.
    async fn deletion_on_a_cloud_that_left(&mut self) -> Result<()> {
        self.chapter(
            "a deletion hangs on a cloud that left the configuration",
            &[DELETION],
        );
        let test = &self.world.test;
        test.service(LEFT)
            .provider("cloud3")
            .ours("lb-id", "lb-1")
            .ours("lb-cloud", "cloud3")
            .finalizer(&test.finalizer())
            .create()
            .await?;
        test.delete(LEFT).await
    }

    async fn refused_edit(&mut self) -> Result<()> {
        let overdue: Expected = ("MyCloudLBEditOverdue", CLOUD2);
        self.chapter("cloud2 refuses an edit", &[overdue]);
        self.edit_one(EDITED, "77M").await?;
        self.until_firing(&[overdue]).await
    }

    async fn move_to_a_cloud_that_is_down(&mut self) -> Result<()> {
        let overdue: Expected = ("MyCloudLBMoveOverdue", CLOUD1);
        self.chapter("a Service moves to a cloud that is down", &[overdue]);
        let test = &self.world.test;
        let down = FaultKind::FailBefore(Failure::code(Code::Unavailable));
        test.cloud1.set_fault(Fault::new(down));
        test.annotate(MOVED, &[("provider", Some("cloud1"))])
            .await?;
        self.until_firing(&[overdue]).await
    }

    /// As a cloud does that has seen a higher term of another cluster with the same id.
    pub async fn term_refused(&mut self) -> Result<()> {
        let refused: Expected = ("MyCloudLBTermRefused", CLOUD2);
        self.chapter("cloud2 refuses the term", &[refused]);
        let fenced = FaultKind::FailBefore(Failure::code(Code::FailedPrecondition));
        let cloud2 = &self.world.test.cloud2;
        cloud2.set_fault(Fault::new(fenced).on(Verb::Update));
        let edits = Edits::start(&self.world.test, EDITED);
        self.until_firing(&[refused]).await?;
        drop(edits);
        self.world.test.cloud2.clear_faults();
        self.edit_one(EDITED, "79M").await?;
        until_calm(&self.world.prometheus, &[BURNS, BURNS2]).await
    }

    async fn end_of_refusals(&mut self) -> Result<()> {
        self.chapter("the rights are granted again", &[]);
        let test = &self.world.test;
        test.cloud1.clear_faults();
        test.cloud2.clear_faults();
        let released = json!({"metadata": {"finalizers": null}});
        test.edit(LEFT, released).await?;
        let others = [EDITED.into(), MOVED.into()];
        for name in refused().chain(over_quota()).chain(others) {
            self.edit_one(&name, "78M").await?;
        }
        until_calm(&self.world.prometheus, &[BURNS, BURNS2]).await
    }

    /// An edit also ends the wait for the next retry.
    async fn edit_one(&self, name: &str, bandwidth: &str) -> Result<()> {
        let edit = [("lb-bandwidth", Some(bandwidth))];
        self.world.test.annotate(name, &edit).await?;
        Ok(())
    }
}

fn refused() -> impl Iterator<Item = String> {
    (0..REFUSED).map(|index| format!("refused-{index}"))
}

fn over_quota() -> impl Iterator<Item = String> {
    (0..OVER_QUOTA).map(|index| format!("{NO_QUOTA}-{index}"))
}
