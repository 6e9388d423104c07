//! A cloud that does not know our token any more, also for reads.

use anyhow::Result;
use testbed::cloud::{Code, Failure, Fault, FaultKind};

use super::alerts::{Expected, until_calm};
use super::bystanders::Edits;
use super::chapters::{BURNS, BURNS2, CLOUD2, Story};

/// Its Service was made long before.
const EDITED: &str = "two-5";
/// This one is made while the token is refused.
const FRESH: &str = "without-token";
const MUST: [Expected; 4] = [
    ("MyCloudLBCloudErrors", CLOUD2),
    ("MyCloudLBCloudUnavailable", CLOUD2),
    ("MyCloudLBEditOverdue", CLOUD2),
    ("MyCloudLBProvisioningOverdue", CLOUD2),
];
/// Lists fail too.
const MAY: [Expected; 2] = [
    ("MyCloudLBOrphanScanStale", CLOUD2),
    ("MyCloudLBReconcileErrors", &[]),
];

impl Story {
    /// The token was revoked, and a good one is mounted later.
    pub async fn token_refused(&mut self) -> Result<()> {
        self.chapter("cloud2 refuses our token", &[&MUST[..], &MAY].concat());
        let test = &self.world.test;
        let refused = FaultKind::FailBefore(Failure::code(Code::Unauthenticated));
        test.cloud2.set_fault(Fault::new(refused));
        test.service(FRESH).provider("cloud2").create().await?;
        let edits = Edits::start(test, EDITED);
        self.until_firing(&MUST).await?;
        drop(edits);
        self.chapter("cloud2 accepts our token", &[]);
        let test = &self.world.test;
        test.cloud2.clear_faults();
        // An edit ends the wait for the next retry.
        for name in [EDITED, FRESH] {
            test.annotate(name, &[("lb-bandwidth", Some("79M"))])
                .await?;
        }
        test.until_ready(FRESH).await?;
        until_calm(&self.world.prometheus, &[BURNS, BURNS2]).await
    }
}
