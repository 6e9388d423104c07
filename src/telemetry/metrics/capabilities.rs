//! Metrics of what the clouds tell about themselves.

use super::leader_gauges::LeaderGauges;
use super::registry::{Label, Registrar};
use crate::cloud::Quota;
use crate::plan::Capabilities;

pub struct CapabilityMetrics {
    capabilities: LeaderGauges,
    quota: LeaderGauges,
}

impl CapabilityMetrics {
    pub(super) fn register(registrar: &mut Registrar<'_>) -> Result<Self, prometheus::Error> {
        let cloud = registrar.cloud();
        let all = Capabilities::unlimited().names();
        let names: Vec<&str> = all.into_iter().collect();
        Ok(Self {
            capabilities: registrar.leader_gauge(
                "mycloud_lb_cloud_capabilities",
                "Whether the cloud can do this (1) or not (0), as it told last; without a call that tells, what its profile says.",
                vec![cloud.clone(), Label::of("capability", &names)],
            )?,
            quota: registrar.leader_gauge(
                "mycloud_lb_cloud_quota",
                "Load balancers that the account at the cloud may have (limit) and has (used), if the cloud tells.",
                vec![cloud, Label::of("kind", &["limit", "used"])],
            )?,
        })
    }

    /// Records an answer of a cloud about itself.
    pub fn told(&self, cloud: &str, capabilities: &Capabilities, quota: Quota) {
        let has = capabilities.names();
        for name in Capabilities::unlimited().names() {
            let value = f64::from(u8::from(has.contains(name)));
            self.capabilities.set(&[cloud, name], value);
        }
        let Quota { limit, used } = quota;
        for (kind, number) in [("limit", limit), ("used", used)] {
            match number {
                Some(number) => self.quota.set(&[cloud, kind], number as f64),
                None => self.quota.remove(&[cloud, kind]),
            }
        }
    }
}
