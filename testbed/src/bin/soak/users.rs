//! Users who do anything to their Services.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use fastrand::Rng;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use serde_json::{Value, json};
use testbed::oracle::{Wanted, Wishes};
use testbed::{Environment, eventually};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Each has so many Services, which nobody else touches.
const SERVICES: usize = 5;

/// Whoever wants a Service anew waits so long for the old one to go; a cloud
/// that fails may need longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// A user.
pub struct User {
    names: Vec<String>,
    dice: Rng,
    /// What they did, and how often.
    pub done: BTreeMap<&'static str, usize>,
}

impl User {
    /// The n-th.
    pub fn new(number: usize, dice: Rng) -> Self {
        let names = (0..SERVICES).map(|index| format!("web-{number}-{index}"));
        Self {
            names: names.collect(),
            dice,
            done: BTreeMap::new(),
        }
    }

    /// Does something, and again, until told to stop.
    ///
    /// # Errors
    /// kube-apiserver refused something.
    pub async fn live(
        &mut self,
        test: &Environment,
        wishes: &Wishes,
        stop: &CancellationToken,
    ) -> Result<()> {
        while !stop.is_cancelled() {
            self.act(test, wishes).await?;
            let pause = Duration::from_millis(self.dice.u64(20..600));
            stop.run_until_cancelled(sleep(pause)).await;
        }
        Ok(())
    }

    /// Deletes all that they have.
    ///
    /// # Errors
    /// As [`User::live`].
    pub async fn leave(&self, test: &Environment, wishes: &Wishes) -> Result<()> {
        for name in &self.names {
            if let Some(service) = test.services().get_opt(name).await? {
                delete(test, wishes, &service).await?;
            }
        }
        Ok(())
    }

    async fn act(&mut self, test: &Environment, wishes: &Wishes) -> Result<()> {
        let name = self.names[self.dice.usize(..SERVICES)].clone();
        let service = test.services().get_opt(&name).await?;
        let Some(service) = service else {
            self.did("create");
            return self.create(test, wishes, &name).await;
        };
        if service.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        let is_off = Wanted::by(&service, &test.prefix).clouds.is_empty();
        let (what, patch) = match self.dice.u8(0..20) {
            _ if is_off => ("enable", self.on(test)),
            0..=1 => ("disable", annotation(test, "enable", json!(null))),
            2..=3 => ("retype", json!({"spec": {"type": "ClusterIP"}})),
            4..=7 => ("move", annotation(test, "provider", json!(self.clouds()))),
            8..=13 => ("edit", self.edit(test)),
            14..=16 => {
                self.did("delete");
                return delete(test, wishes, &service).await;
            }
            _ => {
                self.did("recreate");
                delete(test, wishes, &service).await?;
                let gone = eventually("the Service to be gone", PATIENCE, async || {
                    let there = test.services().get_opt(&name).await?;
                    Ok(there.is_none().then_some(()))
                });
                if gone.await.is_err() {
                    return Ok(());
                }
                return self.create(test, wishes, &name).await;
            }
        };
        self.did(what);
        let asked = Timestamp::now();
        let edited = test.edit(&name, patch).await?;
        note(test, wishes, &edited, asked);
        Ok(())
    }

    fn did(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    async fn create(&mut self, test: &Environment, wishes: &Wishes, name: &str) -> Result<()> {
        let service = test
            .service(name)
            .provider(self.clouds())
            .field("ports", self.ports());
        let asked = Timestamp::now();
        let created = service.create().await?;
        note(test, wishes, &created, asked);
        Ok(())
    }

    fn on(&mut self, test: &Environment) -> Value {
        let mut patch = annotation(test, "enable", json!("true"));
        patch["spec"] = json!({"type": "LoadBalancer"});
        patch
    }

    fn edit(&mut self, test: &Environment) -> Value {
        let pick = |dice: &mut Rng, values: &[&str]| json!(values[dice.usize(..values.len())]);
        match self.dice.u8(0..4) {
            0 => annotation(
                test,
                "lb-bandwidth",
                pick(&mut self.dice, &["5M", "20M", "1G"]),
            ),
            1 => {
                let values = ["round-robin", "least-connections", "source-hash"];
                annotation(test, "algorithm", pick(&mut self.dice, &values))
            }
            2 => {
                let affinity = pick(&mut self.dice, &["None", "ClientIP"]);
                json!({"spec": {"sessionAffinity": affinity}})
            }
            _ => json!({"spec": {"ports": self.ports()}}),
        }
    }

    fn clouds(&mut self) -> &'static str {
        ["cloud1", "cloud2", "cloud1,cloud2"][self.dice.usize(..3)]
    }

    fn ports(&mut self) -> Value {
        let ports = [
            json!([{"name": "http", "port": 80}]),
            json!([{"name": "http", "port": 8080}]),
            json!([{"name": "http", "port": 80}, {"name": "https", "port": 443}]),
            json!([{"name": "web", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]),
        ];
        ports[self.dice.usize(..ports.len())].clone()
    }
}

fn annotation(test: &Environment, name: &str, value: Value) -> Value {
    let name = format!("{}/{name}", test.prefix);
    json!({"metadata": {"annotations": {name: value}}})
}

async fn delete(test: &Environment, wishes: &Wishes, service: &Service) -> Result<()> {
    let uid = service.uid().context("a UID")?;
    let asked = Timestamp::now();
    test.delete(&service.name_any()).await?;
    wishes.change(&uid, &BTreeSet::new(), asked, Timestamp::now());
    Ok(())
}

fn note(test: &Environment, wishes: &Wishes, service: &Service, asked: Timestamp) {
    let clouds = Wanted::by(service, &test.prefix).clouds;
    let uid = service.uid().unwrap_or_default();
    wishes.change(&uid, &clouds, asked, Timestamp::now());
}
