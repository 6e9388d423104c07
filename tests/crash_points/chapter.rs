//! What a user does while a write goes wrong.

use anyhow::{Result, ensure};
use serde_json::json;
use testbed::Environment;
use testbed::cloud::{CloudSimulator, Effect};
use testbed::environment::calls;

/// What a user does while a write goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chapter {
    Create,
    Edit,
    Move,
    Delete,
}

impl Chapter {
    /// What there is before.
    pub async fn prepare(self, test: &Environment) -> Result<()> {
        if self != Self::Create {
            test.service("web").provider("cloud1").create().await?;
            test.until_ready("web").await?;
        }
        Ok(())
    }

    /// What the user does.
    pub async fn begin(self, test: &Environment) -> Result<()> {
        match self {
            Self::Create => drop(test.service("web").provider("cloud1").create().await?),
            Self::Edit => {
                let ports = json!([{"name": "http", "port": 8080}]);
                test.edit("web", json!({"spec": {"ports": ports}})).await?;
            }
            Self::Move => drop(
                test.annotate("web", &[("provider", Some("cloud2"))])
                    .await?,
            ),
            Self::Delete => test.delete("web").await?,
        }
        Ok(())
    }

    /// Waits until the user has what they asked for.
    pub async fn finish(self, test: &Environment) -> Result<()> {
        let (cloud, port) = match self {
            Self::Create => (&test.cloud1, 80),
            Self::Edit => (&test.cloud1, 8080),
            Self::Move => (&test.cloud2, 80),
            Self::Delete => return test.until_gone("web").await,
        };
        test.until("web", "the user to have what they want", |service| {
            let found = cloud.inventory();
            let serves = found.iter().find(|found| {
                let record = Some((found.id.as_str(), cloud.name()));
                test.record(service) == record && found.settings.listeners[0].port == port
            });
            let condition = test.condition(service);
            serves.is_some() && condition.is_some_and(|(status, ..)| status == "True")
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
        let expected = (1, usize::from(self == Self::Move));
        ensure!(made == expected, "{made:?} load balancers were made");
        Ok(())
    }
}
