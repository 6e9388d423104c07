//! What is constant in all inputs: a cluster, a Service of it, and its clouds.

use std::sync::{Arc, OnceLock};

use my_cloud_controller_manager::cloud::{AddressPolicy, Profile, RestCloud, RestSettings};
use my_cloud_controller_manager::plan::health_check::HealthCheck;
use my_cloud_controller_manager::plan::load_balancer::{
    Addresses, Algorithm, Listener, LoadBalancer, LoadBalancerSpec, Protocol, State,
};
use my_cloud_controller_manager::plan::naming::{
    CloudName, ClusterId, LoadBalancerId, Owner, ServiceUid,
};
use my_cloud_controller_manager::plan::{Capabilities, Clouds};
use my_cloud_controller_manager::plan::{CreateRequest, naming};
use tokio::runtime::{Builder, Runtime};

/// The addresses of the cluster's own Services, which no cloud may claim.
pub const SERVICE_RANGE: &str = "10.96.0.0/12";

pub fn cluster() -> ClusterId {
    ClusterId::new("cluster")
}

/// The owner of the Service's load balancers.
pub fn owner() -> Owner {
    Owner {
        cluster: cluster(),
        namespace: "shop".into(),
        name: "web".into(),
        uid: ServiceUid::new("uid"),
    }
}

pub fn cloud_name(name: &str) -> CloudName {
    CloudName::new(name)
}

/// Two clouds, one of each profile.
pub fn clouds() -> Clouds {
    Clouds::from([
        (cloud_name("cloud1"), Capabilities::standard()),
        (cloud_name("cloud2"), Capabilities::basic()),
    ])
}

/// The request for the Service's load balancer, which both profiles can carry.
pub fn request() -> CreateRequest {
    let owner = owner();
    CreateRequest {
        name: owner.load_balancer_name(),
        owner,
        spec: LoadBalancerSpec {
            nodes: [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()]
                .into_iter()
                .collect(),
            listeners: vec![Listener {
                name: "http".into(),
                protocol: Protocol::Tcp,
                port: 80,
                node_port: 30080,
                health_check: HealthCheck::Unspecified,
                proxy_protocol: None,
                app_protocol: None,
            }],
            spec: "standard".into(),
            bandwidth: "10M".into(),
            algorithm: Algorithm::RoundRobin,
            source_ranges: Vec::new(),
            client_affinity_seconds: None,
            ..LoadBalancerSpec::default()
        },
    }
}

/// The Service's load balancer, before a call.
pub fn load_balancer(profile: Profile) -> LoadBalancer {
    let request = request();
    LoadBalancer {
        id: LoadBalancerId::new("lb-1"),
        name: request.name,
        owner: (profile == Profile::Standard).then_some(request.owner),
        spec: request.spec,
        is_understood: true,
        has_other_back_ends: false,
        opaque_listener: None,
        addresses: Addresses {
            ips: vec![[192, 0, 2, 1].into()],
            ..Addresses::default()
        },
        state: State::Active,
    }
}

/// Whether a text could be the id of a load balancer.
pub fn is_id(text: &str) -> bool {
    naming::is_plain(text) && !text.contains(',')
}

/// The client of a cloud. It is never connected.
pub fn cloud(profile: Profile) -> &'static RestCloud {
    static CLOUDS: OnceLock<[RestCloud; 2]> = OnceLock::new();
    let clouds = CLOUDS.get_or_init(|| {
        // Another test of the process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        [Profile::Standard, Profile::Basic].map(client)
    });
    match profile {
        Profile::Standard => &clouds[0],
        Profile::Basic => &clouds[1],
    }
}

fn client(profile: Profile) -> RestCloud {
    let range = SERVICE_RANGE.parse();
    let settings = RestSettings {
        name: cloud_name("cloud1"),
        endpoint: "http://127.0.0.1:1".parse().unwrap(),
        request_timeout: std::time::Duration::from_secs(1),
        concurrency: 1,
        requests_per_second: 0,
        profile,
        addresses: AddressPolicy {
            service_ranges: vec![range.unwrap()],
            ..AddressPolicy::default()
        },
        token_file: None,
        ca_file: None,
    };
    RestCloud::new(settings, Arc::new(|_| ())).unwrap()
}

/// Runs within the runtime that the client's log lines need.
pub fn in_runtime<R>(run: impl FnOnce() -> R) -> R {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime =
        RUNTIME.get_or_init(|| Builder::new_current_thread().enable_time().build().unwrap());
    let _entered = runtime.enter();
    run()
}
