//! Waiting until a Service is as wanted.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams};
use serde_json::json;

use super::{Environment, SOON, addresses};
use crate::eventually;

/// Round robin reaches each of a few Nodes several times with them.
const ENOUGH_REQUESTS: usize = 12;

impl Environment {
    /// Waits until the Service is as wanted.
    ///
    /// # Errors
    /// It was not within [`SOON`]; the message has what it was last.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        is: impl Fn(&Service) -> bool,
    ) -> Result<Service> {
        let mut last = String::new();
        let seen = eventually(what, SOON, async || {
            let service = self.get(name).await?;
            last = serde_json::to_string(
                &json!({"metadata": service.metadata, "status": service.status}),
            )?;
            Ok(is(&service).then_some(service))
        });
        let seen = seen.await;
        seen.with_context(|| format!("the Service was last {last}"))
    }

    /// Waits until the condition is True and an address is there.
    ///
    /// # Errors
    /// It was not within [`SOON`].
    pub async fn until_ready(&self, name: &str) -> Result<Service> {
        let what = format!("Service {name} to be ready");
        let is_ready = |service: &Service| {
            self.condition(service)
                .is_some_and(|(status, _, _)| status == "True")
                && !addresses(service).is_empty()
        };
        self.until(name, &what, is_ready).await
    }

    /// Waits until requests to port 8080 of the Service's first address are answered by exactly
    /// these Nodes.
    ///
    /// # Errors
    /// They were not within [`SOON`].
    pub async fn until_answered_by(&self, name: &str, nodes: &[&str]) -> Result<()> {
        let published = addresses(&self.get(name).await?);
        let address = published.first().context("an address")?;
        let url = format!("http://{address}:8080/");
        // A connection stays with its Node.
        let client = reqwest::Client::builder()
            .pool_max_idle_per_host(0)
            .build()?;
        let of_node = |node: &&str| format!("{node} (Service {name})");
        let wanted: BTreeSet<String> = nodes.iter().map(of_node).collect();
        eventually(&format!("exactly {nodes:?} to answer"), SOON, async || {
            let mut answered = BTreeSet::new();
            for _ in 0..ENOUGH_REQUESTS {
                let answer = client.get(&url).send().await?.text().await?;
                answered.insert(answer.trim().to_owned());
            }
            ensure!(answered == wanted, "{answered:?}");
            Ok(Some(()))
        })
        .await
    }

    /// Waits until the condition has this reason; gives its message.
    ///
    /// # Errors
    /// It had not within [`SOON`].
    pub async fn until_reason(&self, name: &str, reason: &str) -> Result<String> {
        let what = format!("the condition of Service {name} to have the reason {reason}");
        let has_reason = |service: &Service| {
            self.condition(service)
                .is_some_and(|(_, found, _)| found == reason)
        };
        let service = self.until(name, &what, has_reason).await?;
        Ok(self.condition(&service).unwrap_or_default().2)
    }

    /// Waits until there is no such Service.
    ///
    /// # Errors
    /// There was one for [`SOON`].
    pub async fn until_gone(&self, name: &str) -> Result<()> {
        let what = format!("Service {name} to be gone");
        eventually(&what, SOON, async || {
            Ok(self.services().get_opt(name).await?.is_none().then_some(()))
        })
        .await
    }

    /// The notes of the Events of this reason about a Service.
    ///
    /// # Errors
    /// kube-apiserver did not answer.
    pub async fn events(&self, service: &str, reason: &str) -> Result<Vec<String>> {
        let events: Api<Event> = Api::namespaced(self.client(), &self.namespace);
        let events = events.list(&ListParams::default()).await?;
        let wanted = |event: &Event| {
            let about = event
                .regarding
                .as_ref()
                .and_then(|object| object.name.as_deref());
            about == Some(service) && event.reason.as_deref() == Some(reason)
        };
        Ok(events
            .into_iter()
            .filter(wanted)
            .filter_map(|event| event.note)
            .collect())
    }

    /// Waits for an Event of this reason; gives its note.
    ///
    /// # Errors
    /// None came within [`SOON`].
    pub async fn until_event(&self, service: &str, reason: &str) -> Result<String> {
        let what = format!("an Event {reason} about Service {service}");
        eventually(&what, SOON, async || {
            Ok(self.events(service, reason).await?.pop())
        })
        .await
    }
}
