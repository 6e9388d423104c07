//! Users who create, change and delete their Services at random.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use fastrand::Rng;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use serde_json::{Value, json};
use testbed::oracle::{Desired, DesiredHistory};
use testbed::{Environment, eventually};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Each user has so many Services, which no other user touches.
const SERVICES: usize = 5;

/// How long a user waits for the old Service to go before creating it anew; a
/// cloud that fails may need longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// A user with Services of their own.
pub struct User {
    names: Vec<String>,
    rng: Rng,
    /// How often they did each action.
    pub done: BTreeMap<&'static str, usize>,
}

impl User {
    /// The n-th user.
    pub fn new(number: usize, rng: Rng) -> Self {
        let names = (0..SERVICES).map(|index| format!("web-{number}-{index}"));
        Self {
            names: names.collect(),
            rng,
            done: BTreeMap::new(),
        }
    }

    /// Acts again and again, until `stop`.
    ///
    /// # Errors
    /// kube-apiserver refused something.
    pub async fn act_until(
        &mut self,
        test: &Environment,
        history: &DesiredHistory,
        stop: &CancellationToken,
    ) -> Result<()> {
        while !stop.is_cancelled() {
            self.act(test, history).await?;
            let pause = Duration::from_millis(self.rng.u64(20..600));
            stop.run_until_cancelled(sleep(pause)).await;
        }
        Ok(())
    }

    /// Deletes all Services of this user.
    ///
    /// # Errors
    /// As [`User::act_until`].
    pub async fn leave(&self, test: &Environment, history: &DesiredHistory) -> Result<()> {
        for name in &self.names {
            if let Some(service) = test.services().get_opt(name).await? {
                delete(test, history, &service).await?;
            }
        }
        Ok(())
    }

    async fn act(&mut self, test: &Environment, history: &DesiredHistory) -> Result<()> {
        let name = self.names[self.rng.usize(..SERVICES)].clone();
        let service = test.services().get_opt(&name).await?;
        let Some(service) = service else {
            self.did("create");
            return self.create(test, history, &name).await;
        };
        if service.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        let is_off = Desired::of(&service, &test.prefix).clouds.is_empty();
        let (what, patch) = match self.rng.u8(0..20) {
            _ if is_off => ("enable", self.enable(test)),
            0..=1 => ("disable", annotation(test, "enable", json!(null))),
            2..=3 => ("retype", json!({"spec": {"type": "ClusterIP"}})),
            4..=7 => ("move", annotation(test, "provider", json!(self.clouds()))),
            8..=13 => ("edit", self.edit(test)),
            14..=16 => {
                self.did("delete");
                return delete(test, history, &service).await;
            }
            _ => {
                self.did("recreate");
                delete(test, history, &service).await?;
                let gone = eventually("the Service to be gone", PATIENCE, async || {
                    let there = test.services().get_opt(&name).await?;
                    Ok(there.is_none().then_some(()))
                });
                if gone.await.is_err() {
                    return Ok(());
                }
                return self.create(test, history, &name).await;
            }
        };
        self.did(what);
        let sent = Timestamp::now();
        let edited = test.edit(&name, patch).await?;
        note(test, history, &edited, sent);
        Ok(())
    }

    fn did(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    async fn create(
        &mut self,
        test: &Environment,
        history: &DesiredHistory,
        name: &str,
    ) -> Result<()> {
        let service = test
            .service(name)
            .provider(self.clouds())
            .field("ports", self.ports());
        let sent = Timestamp::now();
        let created = service.create().await?;
        note(test, history, &created, sent);
        Ok(())
    }

    fn enable(&mut self, test: &Environment) -> Value {
        let mut patch = annotation(test, "enable", json!("true"));
        patch["spec"] = json!({"type": "LoadBalancer"});
        patch
    }

    fn edit(&mut self, test: &Environment) -> Value {
        let pick = |rng: &mut Rng, values: &[&str]| json!(values[rng.usize(..values.len())]);
        match self.rng.u8(0..4) {
            0 => annotation(
                test,
                "lb-bandwidth",
                pick(&mut self.rng, &["5M", "20M", "1G"]),
            ),
            1 => {
                let values = ["round-robin", "least-connections", "source-hash"];
                annotation(test, "algorithm", pick(&mut self.rng, &values))
            }
            2 => {
                let affinity = pick(&mut self.rng, &["None", "ClientIP"]);
                json!({"spec": {"sessionAffinity": affinity}})
            }
            _ => json!({"spec": {"ports": self.ports()}}),
        }
    }

    fn clouds(&mut self) -> &'static str {
        ["cloud1", "cloud2", "cloud1,cloud2"][self.rng.usize(..3)]
    }

    fn ports(&mut self) -> Value {
        let ports = [
            json!([{"name": "http", "port": 80}]),
            json!([{"name": "http", "port": 8080}]),
            json!([{"name": "http", "port": 80}, {"name": "https", "port": 443}]),
            json!([{"name": "web", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]),
        ];
        ports[self.rng.usize(..ports.len())].clone()
    }
}

fn annotation(test: &Environment, name: &str, value: Value) -> Value {
    let name = format!("{}/{name}", test.prefix);
    json!({"metadata": {"annotations": {name: value}}})
}

/// Deletes a Service, which from now on asks for nothing.
///
/// # Errors
/// kube-apiserver refused.
pub async fn delete(test: &Environment, history: &DesiredHistory, service: &Service) -> Result<()> {
    let uid = service.uid().context("a UID")?;
    let sent = Timestamp::now();
    test.delete(&service.name_any()).await?;
    history.record(&uid, &BTreeSet::new(), sent, Timestamp::now());
    Ok(())
}

/// Notes what a Service asks for since a request that was sent then.
pub fn note(test: &Environment, history: &DesiredHistory, service: &Service, sent: Timestamp) {
    let clouds = Desired::of(service, &test.prefix).clouds;
    let uid = service.uid().unwrap_or_default();
    history.record(&uid, &clouds, sent, Timestamp::now());
}
