//! Somebody who uses a Service all the time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use testbed::environment::addresses;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

/// For a request with the lookup before it. An answer takes a millisecond; this
/// is for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// Asks on a connection of its own, and again.
pub struct Client {
    requests: Arc<Mutex<Vec<Request>>>,
    _task: AbortOnDropHandle<()>,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    pub address: String,
    pub began: Timestamp,
    pub failure: Option<String>,
}

/// Where it asks.
enum Target {
    /// At the address that the Service has then.
    Service(Api<Service>, &'static str),
    Address(String),
}

impl Client {
    /// Of a Service: looks up its address for each request.
    pub fn of(services: Api<Service>, name: &'static str, port: u16) -> Result<Self> {
        Self::start(Target::Service(services, name), port)
    }

    /// Of an address: goes on to use it, whatever the Service says.
    pub fn at(address: String, port: u16) -> Result<Self> {
        Self::start(Target::Address(address), port)
    }

    fn start(target: Target, port: u16) -> Result<Self> {
        let client = http()?;
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let made = requests.clone();
        let task = tokio::spawn(async move {
            loop {
                let request = target.request(&client, port).await;
                let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                made.push(request);
            }
        });
        Ok(Self {
            requests,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// Those that ended up to now.
    pub fn requests(&self) -> Vec<Request> {
        let requests = self.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Target {
    async fn request(&self, client: &reqwest::Client, port: u16) -> Request {
        let began = Timestamp::now();
        let mut used = String::new();
        let asked = async {
            used = self.address().await?;
            ask(client, &used, port).await
        };
        let asked = timeout(PATIENCE, asked).await;
        let in_time = asked.unwrap_or_else(|_| bail!("no answer within {PATIENCE:?}"));
        let failure = in_time.err().map(|error| format!("{error:#}"));
        Request {
            address: used,
            began,
            failure,
        }
    }

    async fn address(&self) -> Result<String> {
        match self {
            Self::Address(address) => Ok(address.clone()),
            Self::Service(services, name) => {
                let service = services.get(name).await?;
                addresses(&service).pop().context("no address")
            }
        }
    }
}

/// With a connection for each request.
fn http() -> reqwest::Result<reqwest::Client> {
    let client = reqwest::Client::builder().no_proxy();
    client.pool_max_idle_per_host(0).build()
}

async fn ask(client: &reqwest::Client, address: &str, port: u16) -> Result<()> {
    let url = format!("http://{address}:{port}/");
    client.get(url).send().await?.error_for_status()?;
    Ok(())
}
