//! The simulated cloud, by its behaviour: through HTTP, and with real traffic.

#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, and so do its parts"
)]

mod admin;
mod api;
mod attach;
mod callers;
mod capabilities;
mod document;
mod families;
mod faults;
mod release;
mod state;
mod tags;
mod time;
mod traffic;

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use testbed::cloud::{CloudSimulator, CloudSimulatorOptions, Verb};
use testbed::eventually;

/// For what takes milliseconds on an idle machine.
const DEADLINE: Duration = Duration::from_secs(10);

/// A client without redirects, as the controller's.
fn http() -> reqwest::Client {
    static PROVIDER: OnceLock<()> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        rustls::crypto::ring::default_provider()
            .install_default()
            .expect("the first provider of this process");
    });
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .expect("a client")
}

/// A cloud, and a client of its API.
struct Cloud {
    simulator: CloudSimulator,
    http: reqwest::Client,
}

/// An answer as it came.
#[derive(Debug)]
struct Answer {
    status: u16,
    retry_after: Option<String>,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn text(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap_or_default().to_owned()
    }
}

impl Cloud {
    async fn start(options: CloudSimulatorOptions) -> Self {
        let http = http();
        let simulator = CloudSimulator::start(options).await.expect("a cloud");
        Self { simulator, http }
    }

    /// Without traffic.
    async fn quiet() -> Self {
        Self::start(quiet()).await
    }

    fn request(&self, verb: Verb, body: &Value) -> reqwest::RequestBuilder {
        let url = format!("{}/api/v1/lb/{}", self.simulator.endpoint(), verb.as_str());
        self.http.post(url).json(body)
    }

    async fn send(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        let response = request.send().await?;
        let retry_after = response.headers().get("retry-after");
        Ok(Answer {
            status: response.status().as_u16(),
            retry_after: retry_after.map(|value| value.to_str().expect("text").to_owned()),
            text: response.text().await?,
        })
    }

    async fn try_call(&self, verb: Verb, body: &Value) -> reqwest::Result<Answer> {
        Self::send(self.request(verb, body)).await
    }

    async fn call(&self, verb: Verb, body: &Value) -> Answer {
        self.try_call(verb, body).await.expect("an answer")
    }

    /// Creates a load balancer and gives its id.
    async fn create(&self, body: &Value) -> String {
        let answer = self.call(Verb::Create, body).await;
        assert_eq!(answer.text("err"), "", "create {body}: {}", answer.text);
        answer.text("lbId")
    }
}

fn quiet() -> CloudSimulatorOptions {
    CloudSimulatorOptions {
        data_plane: false,
        ..CloudSimulatorOptions::named("cloud1")
    }
}

/// A request to create a load balancer with this name for Service `uid`.
fn wanted(name: &str, uid: &str) -> Value {
    json!({
        "name": name,
        "nodes": ["127.10.0.1", "127.10.0.2"],
        "port": 80,
        "nodePort": 30_080,
        "spec": "standard",
        "bandwidth": "10M",
        "listeners": [{ "name": "http", "protocol": "TCP", "port": 80, "nodePort": 30_080 }],
        "algorithm": "round-robin",
        "owner": { "cluster": "c1", "namespace": "shop", "name": name, "uid": uid },
    })
}

/// `body` with these fields set; one that is null is removed.
fn with(mut body: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else {
        panic!("not an object: {fields}");
    };
    for (name, value) in fields {
        body[name.as_str()] = value;
    }
    if let Some(body) = body.as_object_mut() {
        body.retain(|_, value| !value.is_null());
    }
    body
}

/// Waits until the probe gives something.
async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let what = format!("the moment when {what}");
    let found = eventually(&what, DEADLINE, async || Ok(probe().await)).await;
    found.unwrap_or_else(|error| panic!("{error:#}"))
}
