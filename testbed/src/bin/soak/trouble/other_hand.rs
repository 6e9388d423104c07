//! Another controller that takes our Services for its own: it strips what is ours from them,
//! writes other addresses, claims load balancers for them, and makes some with our names.
//! What it has put there itself must stay.

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use testbed::cloud::{CloudSimulator, LoadBalancer, Owner, Plant, Verb};
use testbed::environment::{SOON, addresses};
use testbed::eventually;
use testbed::oracle::Ledger;

use super::Scene;
use crate::users::{delete, note};

const FINALIZER: &str = "example.com/hand";
const ANNOTATION: &str = "example.com/hand";
/// An address of nobody.
const ADDRESS: &str = "192.0.2.99";

/// The other controller in one round.
pub struct OtherHand<'a> {
    scene: Scene<'a>,
    /// A Service on the good cloud, where it is put right at once.
    good: String,
    /// A Service on both clouds, which is put right afterwards.
    both: String,
    /// A load balancer of others on the good cloud.
    others: &'a LoadBalancer,
    acts: usize,
}

impl<'a> OtherHand<'a> {
    /// Its Services are ready.
    ///
    /// # Errors
    /// They are not.
    pub async fn begin(scene: Scene<'a>, others: &'a [LoadBalancer]) -> Result<Self> {
        let here = scene.good.inventory();
        let others = others
            .iter()
            .find(|other| here.iter().any(|found| found == *other));
        let hand = Self {
            scene,
            good: format!("hand-{}", scene.round),
            both: format!("hand-both-{}", scene.round),
            others: others.context("a load balancer of others")?,
            acts: 0,
        };
        let test = scene.test;
        for (name, clouds) in [
            (&hand.good, scene.good.name()),
            (&hand.both, "cloud1,cloud2"),
        ] {
            let sent = Timestamp::now();
            let service = test.service(name).provider(clouds);
            let service = service.finalizer(FINALIZER).annotation(ANNOTATION, name);
            note(test, scene.history, &service.create().await?, sent);
        }
        for name in [&hand.good, &hand.both] {
            test.until_ready(name).await?;
        }
        Ok(hand)
    }

    /// The name of its Service on both clouds.
    pub fn both(&self) -> &str {
        &self.both
    }

    /// Does all that it does, and waits until the Service on the good cloud is right again.
    ///
    /// # Errors
    /// It does not become right, or something of others was touched.
    pub async fn act(&mut self, ledger: &mut Ledger) -> Result<()> {
        let (good, both) = (self.good.clone(), self.both.clone());
        let ours = self.scene.test.until_ready(&good).await?;
        self.edit(&both, self.stripped()).await?;
        self.edit(&both, self.claimed()).await?;
        self.overwrite(&both).await?;
        self.edit(&good, self.stripped()).await?;
        self.until_whole(&ours).await?;
        self.overwrite(&good).await?;
        self.until_whole(&ours).await?;
        self.edit(&good, self.claimed()).await?;
        self.until_whole(&ours).await?;
        self.take_the_name(&ours, ledger).await
    }

    /// Gives its Services back, with what it has put there; gives the number of its acts.
    ///
    /// # Errors
    /// That is not there any more.
    pub async fn leave(self) -> Result<usize> {
        let Scene { test, history, .. } = self.scene;
        for name in [&self.good, &self.both] {
            let service = test.get(name).await?;
            let (finalizers, notes) = (service.finalizers(), service.annotations());
            ensure!(
                finalizers.iter().any(|name| name == FINALIZER)
                    && notes.get(ANNOTATION) == Some(name),
                "{name} lost {FINALIZER}: {finalizers:?}, {notes:?}"
            );
            delete(test, history, &service).await?;
            eventually("the foreign finalizer to be off", SOON, async || {
                let mut service = test.get(name).await?;
                service.finalizers_mut().retain(|name| name != FINALIZER);
                let services = test.services();
                services
                    .replace(name, &PostParams::default(), &service)
                    .await?;
                Ok(Some(()))
            })
            .await?;
        }
        Ok(self.acts)
    }

    fn stripped(&self) -> Value {
        let full = |name: &str| format!("{}/{name}", self.scene.test.prefix);
        json!({"metadata": {
            "finalizers": [FINALIZER],
            "annotations": {full("lb-id"): null, full("lb-cloud"): null},
        }})
    }

    /// A record with a load balancer of others.
    fn claimed(&self) -> Value {
        let full = |name: &str| format!("{}/{name}", self.scene.test.prefix);
        let (id, cloud) = (&self.others.id, self.scene.good.name());
        json!({"metadata": {"annotations": {full("lb-id"): id, full("lb-cloud"): cloud}}})
    }

    async fn edit(&mut self, name: &str, patch: Value) -> Result<()> {
        self.acts += 1;
        self.scene.test.edit(name, patch).await?;
        Ok(())
    }

    /// Publishes another address.
    async fn overwrite(&mut self, name: &str) -> Result<()> {
        self.acts += 1;
        let theirs = json!({"status": {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}}});
        let services = self.scene.test.services();
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(theirs));
        services.patch_status(name, &parameters, &patch).await?;
        Ok(())
    }

    /// Waits until the Service on the good cloud shows what it did, and is ours again.
    async fn until_whole(&self, ours: &Service) -> Result<()> {
        let test = self.scene.test;
        let is_whole = |service: &Service| {
            service.finalizers().contains(&test.finalizer())
                && test.record(service) == test.record(ours)
                && addresses(service) == addresses(ours)
        };
        let what = "the Service to be as before another controller wrote to it";
        test.until(&self.good, what, is_whole).await?;
        Ok(())
    }

    /// Removes our load balancer, and has one of another owner in its place with our name.
    async fn take_the_name(&mut self, ours: &Service, ledger: &mut Ledger) -> Result<()> {
        let Scene { test, good, .. } = self.scene;
        let uid = ours.uid().unwrap_or_default();
        let is_its = |found: &LoadBalancer| found.owner.as_ref().is_some_and(|it| it.uid == uid);
        let there = good.inventory().into_iter().find(is_its);
        let there = there.context("the load balancer of the Service")?;
        let owner = Owner {
            cluster: "another".into(),
            uid: format!("of-another-{}", self.scene.round),
            ..there.owner.clone().unwrap_or_default()
        };
        let plant = Plant {
            name: there.name.clone(),
            owner: Some(owner),
            ..Plant::default()
        };
        let theirs = good.plant(plant).await?;
        let before = good.micros();
        good.remove(&there.id).await?;
        ledger.removed(&there.id, before);
        self.acts += 2;
        test.until_reason(&self.good, "NotOwned").await?;
        ensure_untouched(good, &theirs)?;
        good.remove(&theirs.id).await?;
        // As its owner would, who reads the condition: an edit ends the backoff.
        test.annotate(&self.good, &[("lb-bandwidth", Some("33M"))])
            .await?;
        test.until_ready(&self.good).await?;
        Ok(())
    }
}

/// It is as its owner made it, and no call was about it.
fn ensure_untouched(cloud: &CloudSimulator, theirs: &LoadBalancer) -> Result<()> {
    let found = cloud.inventory().into_iter();
    let found = found.into_iter().find(|found| found.id == theirs.id);
    ensure!(
        found.as_ref() == Some(theirs),
        "{theirs:?} became {found:?}"
    );
    let mut calls = cloud.mutations();
    // A create with its name is refused, which is how the name is known to be taken.
    calls.retain(|call| call.verb != Verb::Create && call.id.as_ref() == Some(&theirs.id));
    ensure!(calls.is_empty(), "calls about {theirs:?}: {calls:?}");
    Ok(())
}
