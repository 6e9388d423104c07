//! A cloud that tells that it can do less than before.

use anyhow::Result;
use testbed::cloud::{Capabilities, Limits, Protocol};

use super::alerts::Expected;
use super::chapters::{CLOUD1, Story};

const LOST: &[(&str, &str)] = &[("cloud", "cloud1"), ("capability", "UDP")];
const ALERTS: [Expected; 2] = [
    ("MyCloudLBCapabilityLost", LOST),
    ("MyCloudLBQuotaNearlyUsed", CLOUD1),
];

/// What cloud1 tells in the other chapters: what its profile says, and a quota.
pub fn usual() -> Capabilities {
    Capabilities {
        limits: Some(Limits {
            load_balancers: Some(10_000),
            used: None,
        }),
        ..Capabilities::default()
    }
}

impl Story {
    /// No Service uses UDP, and the account has room: only what the cloud tells is less.
    pub async fn capability_lost(&mut self) -> Result<()> {
        self.chapter("cloud1 loses UDP, and its account fills up", &ALERTS);
        self.world.test.cloud1.set_capabilities(Some(Capabilities {
            protocols: Some(vec![Protocol::Tcp]),
            limits: Some(Limits {
                load_balancers: Some(100),
                used: Some(93),
            }),
            ..Capabilities::default()
        }));
        self.until_firing(&ALERTS).await?;
        self.world.test.cloud1.set_capabilities(Some(usual()));
        Ok(())
    }
}
