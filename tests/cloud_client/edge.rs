//! A server that answers whatever a test tells it to, and a client of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use my_cloud_controller_manager::cloud::{
    AddressPolicy, CallEvent, Profile, RestCloud, RestSettings,
};
use my_cloud_controller_manager::election::{WritePermit, sole_leader};
use my_cloud_controller_manager::plan::CreateRequest;
use my_cloud_controller_manager::plan::health_check::HealthCheck;
use my_cloud_controller_manager::plan::load_balancer::{
    Addresses, Algorithm, IdleTimeout, Listener, LoadBalancer, LoadBalancerSpec, Protocol, State,
};
use my_cloud_controller_manager::plan::naming::{
    CloudName, ClusterId, LoadBalancerId, Owner, ServiceUid,
};
use my_cloud_controller_manager::plan::node_addresses::NodeAddresses;
use my_cloud_controller_manager::plan::proxy_protocol::ProxyProtocol;
use my_cloud_controller_manager::plan::tags::Tags;
use serde_json::Value;

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

/// The server's side of a test.
pub struct Edge {
    pub endpoint: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Edge {
    /// Starts a server; `answer` is given each request and its number from 0.
    pub async fn start<F>(answer: F) -> Self
    where
        F: Fn(usize, Seen) -> BoxFuture<'static, Response> + Clone + Send + Sync + 'static,
    {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        let router = Router::new().fallback(move |request: Request| {
            let (answer, record) = (answer.clone(), Arc::clone(&record));
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.expect("body");
                let request = Seen {
                    path: parts.uri.path().to_owned(),
                    headers: parts.headers,
                    body: serde_json::from_slice(&body).expect("JSON"),
                };
                let number = {
                    let mut record = record.lock().expect("lock");
                    record.push(request.clone());
                    record.len() - 1
                };
                answer(number, request).await
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("bound");
        let endpoint = format!("http://{}", listener.local_addr().expect("address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint, seen }
    }

    /// A server that answers everything the same.
    pub async fn always(
        status: u16,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes>,
    ) -> Self {
        let (headers, body) = (header_map(headers), body.into());
        Self::start(move |_, _| {
            let answer = (status_of(status), headers.clone(), body.clone());
            Box::pin(async move { answer.into_response() })
        })
        .await
    }

    /// What came in.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("lock").clone()
    }

    /// A client with the defaults of these tests.
    pub fn client(&self, profile: Profile) -> RestCloud {
        client(settings(&self.endpoint, profile)).0
    }
}

pub fn answer(status: u16, body: impl Into<String>) -> Response {
    (status_of(status), body.into()).into_response()
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("status")
}

fn header_map(headers: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = headers.iter();
    pairs
        .map(|(name, value)| {
            let name = axum::http::HeaderName::from_static(name);
            (name, value.parse().expect("header"))
        })
        .collect()
}

pub fn settings(endpoint: &str, profile: Profile) -> RestSettings {
    RestSettings {
        name: CloudName::new("cloud1"),
        endpoint: endpoint.parse().expect("URL"),
        request_timeout: Duration::from_secs(20),
        concurrency: 4,
        requests_per_second: 0,
        profile,
        addresses: AddressPolicy::default(),
        token_file: None,
        ca_file: None,
    }
}

pub type Events = Arc<Mutex<Vec<CallEvent>>>;

pub fn client(settings: RestSettings) -> (RestCloud, Events) {
    // Another test of this process may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let events = Events::default();
    let record = Arc::clone(&events);
    let observer = move |event: &CallEvent| record.lock().expect("lock").push(event.clone());
    let cloud = RestCloud::new(settings, Arc::new(observer)).expect("client");
    (cloud, events)
}

pub fn permit() -> WritePermit {
    sole_leader(1).permit().expect("the only leader")
}

pub fn owner(name: &str) -> Owner {
    Owner {
        cluster: ClusterId::new("cluster"),
        namespace: "default".into(),
        name: name.into(),
        uid: ServiceUid::new(format!("uid-of-{name}")),
    }
}

/// The load balancer that a request has made.
pub fn known(request: &CreateRequest) -> LoadBalancer {
    LoadBalancer {
        id: LoadBalancerId::new("lb-1"),
        name: request.name.clone(),
        owner: Some(request.owner.clone()),
        spec: request.spec.clone(),
        is_understood: true,
        has_other_back_ends: false,
        opaque_listener: None,
        addresses: Addresses {
            ips: vec!["192.0.2.1".parse().expect("address")],
            ..Addresses::default()
        },
        state: State::Active,
    }
}

/// A request that both profiles can express.
pub fn plain_request(name: &str) -> CreateRequest {
    let owner = owner(name);
    CreateRequest {
        name: owner.load_balancer_name(),
        owner,
        spec: LoadBalancerSpec {
            nodes: ["10.0.0.1", "10.0.0.2"]
                .map(|node| node.parse().expect("address"))
                .into(),
            listeners: vec![Listener {
                name: String::new(),
                protocol: Protocol::Tcp,
                port: 80,
                node_port: 30080,
                health_check: HealthCheck::Unspecified,
                proxy_protocol: None,
                app_protocol: None,
            }],
            spec: "standard".into(),
            bandwidth: "5M".into(),
            algorithm: Algorithm::RoundRobin,
            source_ranges: Vec::new(),
            client_affinity_seconds: None,
            ..LoadBalancerSpec::default()
        },
    }
}

/// A request that uses all that the standard profile has.
pub fn rich_request(name: &str) -> CreateRequest {
    let mut request = plain_request(name);
    request.spec = LoadBalancerSpec {
        nodes: NodeAddresses::from(["10.0.0.1".parse().expect("address")]),
        listeners: [("web", Protocol::Tcp, 80), ("dns", Protocol::Udp, 53)]
            .map(|(name, protocol, port)| Listener {
                name: name.into(),
                protocol,
                port,
                node_port: 30000 + port,
                health_check: HealthCheck::Unspecified,
                proxy_protocol: (protocol == Protocol::Tcp).then_some(ProxyProtocol::V2),
                app_protocol: Some(name.to_owned()),
            })
            .into(),
        spec: "high-performance".into(),
        bandwidth: "20M".into(),
        algorithm: Algorithm::SourceHash,
        source_ranges: vec!["192.0.2.0/24".into(), "198.51.100.0/24".into()],
        client_affinity_seconds: Some(60),
        internal: Some(true),
        idle_timeout: Some(IdleTimeout::Seconds(350)),
        tags: Tags::parse("team=web"),
        addresses: Vec::new(),
        address_families: Default::default(),
    };
    request
}
