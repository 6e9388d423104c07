//! What a user does while a write goes wrong.

use anyhow::{Result, ensure};
use serde_json::json;
use testbed::Environment;
use testbed::cloud::{Capabilities, CloudSimulator, Effect, LoadBalancer};
use testbed::environment::calls;

/// What a user does while a write goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chapter {
    Create,
    /// On two clouds at once.
    CreateOnBoth,
    Edit,
    Move,
    /// From two clouds to one of them.
    LeaveOne,
    Delete,
    /// The deletion of a Service whose load balancer is retained.
    Retain,
}

impl Chapter {
    /// What the clouds can do.
    pub fn capabilities(self) -> Option<Capabilities> {
        (self == Self::Retain).then(Capabilities::all)
    }

    /// What there is before.
    pub async fn prepare(self, test: &Environment) -> Result<()> {
        let before = match self {
            Self::Create | Self::CreateOnBoth => return Ok(()),
            Self::LeaveOne => "cloud1,cloud2",
            Self::Edit | Self::Move | Self::Delete | Self::Retain => "cloud1",
        };
        let service = test.service("web").provider(before);
        let service = match self {
            Self::Retain => service.ours("deletion-policy", "retain"),
            _ => service,
        };
        service.create().await?;
        test.until_ready("web").await?;
        Ok(())
    }

    /// The writes of every run. Two clouds that do not answer at the same moment are published
    /// one by one, which takes one more.
    pub fn writes(self, undisturbed: usize) -> usize {
        match self {
            Self::CreateOnBoth => undisturbed.min(4),
            _ => undisturbed,
        }
    }

    /// What the user does.
    pub async fn begin(self, test: &Environment) -> Result<()> {
        match self {
            Self::Create => drop(test.service("web").provider("cloud1").create().await?),
            Self::CreateOnBoth => {
                let service = test.service("web").provider("cloud1,cloud2");
                service.create().await?;
            }
            Self::Edit => {
                let ports = json!([{"name": "http", "port": 8080}]);
                test.edit("web", json!({"spec": {"ports": ports}})).await?;
            }
            Self::Move | Self::LeaveOne => drop(
                test.annotate("web", &[("provider", Some("cloud2"))])
                    .await?,
            ),
            Self::Delete | Self::Retain => test.delete("web").await?,
        }
        Ok(())
    }

    /// Waits until the user has what they asked for.
    pub async fn finish(self, test: &Environment) -> Result<()> {
        let (clouds, port) = match self {
            Self::Create => (vec![&test.cloud1], 80),
            Self::CreateOnBoth => (vec![&test.cloud1, &test.cloud2], 80),
            Self::Edit => (vec![&test.cloud1], 8080),
            Self::Move | Self::LeaveOne => (vec![&test.cloud2], 80),
            Self::Delete | Self::Retain => return test.until_gone("web").await,
        };
        test.until("web", "the user to have what they want", |service| {
            let found = clouds.iter().map(|cloud| (cloud.inventory(), cloud.name()));
            let found: Vec<_> = found
                .flat_map(|(found, cloud)| found.into_iter().map(move |found| (found, cloud)))
                .collect();
            let ids: Vec<_> = found.iter().map(|(found, _)| found.id.as_str()).collect();
            let names: Vec<_> = found.iter().map(|(_, cloud)| *cloud).collect();
            let (ids, names) = (ids.join(","), names.join(","));
            let serves = |found: &LoadBalancer| found.settings.listeners[0].port == port;
            let condition = test.condition(service);
            found.len() == clouds.len()
                && found.iter().all(|(found, _)| serves(found))
                && test.record(service) == Some((&ids, &names))
                && condition.is_some_and(|(status, ..)| status == "True")
        })
        .await?;
        Ok(())
    }

    /// Never two, not even for a moment.
    pub fn ensure_one_each(self, test: &Environment) -> Result<()> {
        let made = |cloud: &CloudSimulator| {
            let calls = calls(cloud);
            let creates = calls
                .iter()
                .filter(|call| call.effect == Some(Effect::Created));
            creates.count()
        };
        let made = (made(&test.cloud1), made(&test.cloud2));
        let is_on_both = matches!(self, Self::CreateOnBoth | Self::Move | Self::LeaveOne);
        let expected = (1, usize::from(is_on_both));
        ensure!(made == expected, "{made:?} load balancers were made");
        Ok(())
    }
}
