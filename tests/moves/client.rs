//! Somebody who uses a Service all the time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use testbed::environment::addresses;
use tokio_util::task::AbortOnDropHandle;

/// An answer takes a millisecond; this is for a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks up the address, asks there on a connection of its own, and again.
pub struct Client {
    seen: Arc<Mutex<Seen>>,
    _task: AbortOnDropHandle<()>,
}

/// What the client has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub answers: usize,
    /// Each time that the address was another.
    pub addresses: Vec<String>,
    pub failures: Vec<String>,
}

impl Client {
    /// Begins to use this Service, by this port.
    pub fn of(services: Api<Service>, name: &'static str, port: u16) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let notes = seen.clone();
        let task = tokio::spawn(async move {
            loop {
                let asked = ask(&services, name, port, &notes).await;
                let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
                match asked {
                    Ok(()) => notes.answers += 1,
                    Err(error) => notes.failures.push(format!("{error:#}")),
                }
            }
        });
        Self {
            seen,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Up to now.
    pub fn seen(&self) -> Seen {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}

async fn ask(services: &Api<Service>, name: &str, port: u16, notes: &Mutex<Seen>) -> Result<()> {
    let service = services.get(name).await?;
    let address = addresses(&service).pop().context("no address")?;
    {
        let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.addresses.last() != Some(&address) {
            notes.addresses.push(address.clone());
        }
    }
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()?;
    let url = format!("http://{address}:{port}/");
    client.get(url).send().await?.error_for_status()?;
    Ok(())
}
