//! What the same machine allows: the least time at the clouds, and a loop that only
//! makes the writes, to the same API server, in the same run.

use std::time::{Duration, Instant};

use anyhow::Result;
use kube::Client;
use serde_json::{Value, json};
use testbed::client_for;

use crate::busy::Busy;
use crate::population::{name, service};
use crate::report::{Report, Unit};
use crate::requests::{self, each};
use crate::stage::Stage;

/// Services in another namespace, with annotations that mean nothing to the controller.
const NAMESPACE: &str = "bare";
const PREFIX: &str = "bare.example";
const GROUP: &str = "bare";

/// The loop runs for at most so many Services; the time is scaled to all of them.
const SAMPLE: usize = 1_000;

/// The time of the writes alone, 32 in flight.
pub struct Bare {
    /// To the Services.
    services: Duration,
    /// Of the Events, two for each Service.
    events: Duration,
    /// The processors that others used meanwhile.
    others: f64,
}

impl Bare {
    /// A finalizer and a publication for each of so many fresh Services, and two Events.
    ///
    /// # Errors
    /// kube-apiserver refused a write.
    pub async fn provisioning(stage: &Stage, services: usize) -> Result<Self> {
        let bare = Loop::prepare(stage, services, &[]).await?;
        let patches = [finalizer(), publication()];
        let (busy, began) = (stage.busy(&[])?, Instant::now());
        bare.each(async |path| {
            for patch in &patches {
                requests::merge_patch(&bare.writer, &format!("{path}/status"), patch).await?;
            }
            Ok(())
        })
        .await?;
        bare.with_events(began.elapsed(), &busy).await
    }

    /// A delete and the end of the finalizer for each of so many Services, and two Events.
    ///
    /// # Errors
    /// kube-apiserver refused a write.
    pub async fn deletion(stage: &Stage, services: usize) -> Result<Self> {
        let bare = Loop::prepare(stage, services, &[finalizer(), publication()]).await?;
        let patch = end();
        let (busy, began) = (stage.busy(&[])?, Instant::now());
        bare.each(async |path| {
            requests::delete(&bare.client, path).await?;
            requests::merge_patch(&bare.writer, &format!("{path}/status"), &patch).await
        })
        .await?;
        bare.with_events(began.elapsed(), &busy).await
    }

    /// Adds a measured time beside its ideal: the larger of the loop and of the least
    /// time at the clouds.
    pub fn report(&self, report: &mut Report, name: &str, time: Duration, clouds: Duration) {
        let ideal = clouds.max(self.services + self.events);
        report.seconds(name, time).ideal(ideal.as_secs_f64());
        report.seconds("  least time at the clouds", clouds);
        report.seconds("  bare loop of the Service writes", self.services);
        report.seconds("  bare loop of the Events", self.events);
        let others = "  processors used by others during the loops";
        report.add(others, Unit::Number, self.others);
    }
}

struct Loop {
    /// Writes as a user.
    client: Client,
    /// Writes as the controller: kube-apiserver treats tokens and certificates differently.
    writer: Client,
    /// How many Services the loop has.
    sample: usize,
    /// How many Services it stands for.
    services: usize,
}

impl Loop {
    /// Creates the Services, each with these changes.
    async fn prepare(stage: &Stage, services: usize, changes: &[Value]) -> Result<Self> {
        let client = stage.client();
        let namespace = json!({"metadata": {"name": NAMESPACE}});
        requests::create(&client, "/api/v1/namespaces", &namespace).await?;
        let bare = Self {
            client,
            writer: client_for(&stage.replica("bare").kubeconfig).await?,
            sample: services.min(SAMPLE),
            services,
        };
        each("preparing the bare loop", bare.sample, async |index| {
            let name = name(GROUP, index);
            let path = requests::services(NAMESPACE);
            let service = service(PREFIX, &name, "cloud1");
            requests::create(&bare.client, &path, &service).await?;
            for change in changes {
                let path = format!("{path}/{name}/status");
                requests::merge_patch(&bare.client, &path, change).await?;
            }
            Ok(())
        })
        .await?;
        Ok(bare)
    }

    async fn each(&self, writes: impl AsyncFn(&str) -> Result<()>) -> Result<()> {
        each("running the bare loop", self.sample, async |index| {
            let path = requests::services(NAMESPACE);
            writes(&format!("{path}/{}", name(GROUP, index))).await
        })
        .await
    }

    /// Runs the loop of the Events, and scales both times.
    async fn with_events(&self, services: Duration, busy: &Busy) -> Result<Bare> {
        let began = Instant::now();
        each("running the bare loop", self.sample, async |index| {
            for reason in ["EnsuringLoadBalancer", "EnsuredLoadBalancer"] {
                let event = event(&name(GROUP, index), reason);
                requests::create(&self.writer, &requests::events(NAMESPACE), &event).await?;
            }
            Ok(())
        })
        .await?;
        let scale = self.services as f64 / self.sample as f64;
        Ok(Bare {
            services: services.mul_f64(scale),
            events: began.elapsed().mul_f64(scale),
            others: busy.others()?,
        })
    }
}

/// As the controller writes it before the first call to a cloud.
fn finalizer() -> Value {
    json!({
        "metadata": {"finalizers": [format!("{PREFIX}/load-balancer")]},
        "status": {"conditions": [condition("False", "Provisioning", "Ensuring load balancer")]},
    })
}

/// As the controller writes it after the cloud has answered.
fn publication() -> Value {
    let ready = "The load balancer serves";
    json!({
        "metadata": {"annotations": {
            format!("{PREFIX}/lb-id"): "lb-12345",
            format!("{PREFIX}/lb-cloud"): "cloud1",
        }},
        "status": {
            "loadBalancer": {"ingress": [{"ip": "198.18.12.34"}]},
            "conditions": [condition("True", "Ready", ready)],
        },
    })
}

/// As the controller writes it when the load balancer is gone.
fn end() -> Value {
    json!({
        "metadata": {"finalizers": [], "annotations": {
            format!("{PREFIX}/lb-id"): null,
            format!("{PREFIX}/lb-cloud"): null,
        }},
        "status": {"loadBalancer": {"ingress": []}, "conditions": []},
    })
}

fn condition(status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": format!("{PREFIX}/LoadBalancerReady"),
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-02T03:04:05Z",
        "observedGeneration": 0,
    })
}

fn event(service: &str, reason: &str) -> Value {
    json!({
        "metadata": {"name": format!("{service}.{reason}").to_lowercase(), "namespace": NAMESPACE},
        "eventTime": "2026-01-02T03:04:05.678901Z",
        "type": "Normal",
        "reason": reason,
        "action": format!("{reason}-0123abcd"),
        "note": format!("Ensuring load balancer: creating {NAMESPACE}-{service}-0123456789abcdef on cloud1"),
        "regarding": {
            "apiVersion": "v1",
            "kind": "Service",
            "name": service,
            "namespace": NAMESPACE,
            "resourceVersion": "123456",
            "uid": "01234567-89ab-cdef-0123-456789abcdef",
        },
        "reportingController": "my-cloud-controller-manager",
        "reportingInstance": "first_0123456789abcdef",
    })
}
