//! What the same machine allows: the least time at the clouds, and a loop that only
//! makes the writes, to the same API server, in the same run.

mod bodies;

use std::time::{Duration, Instant};

use anyhow::Result;
use kube::Client;
use serde_json::{Value, json};
use testbed::client_for;

use bodies::{NAMESPACE, PREFIX, end, event, finalizer, publication};

use crate::busy::Busy;
use crate::population::{name, service};
use crate::report::{Report, Unit};
use crate::requests::{self, each};
use crate::stage::Stage;

/// Of the Services of the loop, which are in another namespace and whose annotations mean
/// nothing to the controller.
const GROUP: &str = "bare";

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
    /// As many as the scenario has: kube-apiserver needs more for each write the more
    /// Services there are.
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
            services,
        };
        each("preparing the bare loop", bare.services, async |index| {
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
        each("running the bare loop", self.services, async |index| {
            let path = requests::services(NAMESPACE);
            writes(&format!("{path}/{}", name(GROUP, index))).await
        })
        .await
    }

    /// Runs the loop of the Events.
    async fn with_events(&self, services: Duration, busy: &Busy) -> Result<Bare> {
        let began = Instant::now();
        each("running the bare loop", self.services, async |index| {
            for reason in ["EnsuringLoadBalancer", "EnsuredLoadBalancer"] {
                let event = event(&name(GROUP, index), reason);
                requests::create(&self.writer, &requests::events(NAMESPACE), &event).await?;
            }
            Ok(())
        })
        .await?;
        Ok(Bare {
            services,
            events: began.elapsed(),
            others: busy.processors()?.others,
        })
    }
}
