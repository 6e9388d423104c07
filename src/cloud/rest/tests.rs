//! Calls during the end of a leadership, which only tests of this crate can cause.

use std::time::Duration;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::*;
use crate::cloud::Profile;
use crate::cloud::{CallEvent, ErrorKind};
use crate::election::{Leadership, sole_leader};
use crate::plan::health_check::HealthCheck;
use crate::plan::load_balancer::{Algorithm, Listener, LoadBalancerSpec, Protocol};
use crate::plan::naming::CloudName;
use crate::plan::naming::{Owner, ServiceUid};

/// Longer than the duration of any of these tests.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

fn request() -> CreateRequest {
    let owner = Owner {
        cluster: ClusterId::new("cluster"),
        namespace: "default".into(),
        name: "web".into(),
        uid: ServiceUid::new("uid"),
    };
    CreateRequest {
        name: owner.load_balancer_name(),
        owner,
        spec: LoadBalancerSpec {
            nodes: Default::default(),
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

/// A client of a cloud that accepts connections and never responds.
async fn silent() -> (TcpListener, RestCloud, Arc<Mutex<Vec<CallEvent>>>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("address");
    let events = Arc::new(Mutex::new(Vec::new()));
    let settings = RestSettings {
        name: CloudName::new("cloud1"),
        endpoint: format!("http://{address}").parse().expect("URL"),
        request_timeout: REQUEST_TIMEOUT,
        concurrency: 1,
        requests_per_second: 0,
        profile: Profile::Standard,
        addresses: AddressPolicy::default(),
        token_file: None,
        ca_file: None,
    };
    let seen = Arc::clone(&events);
    let observer: CallObserver = Arc::new(move |event| {
        seen.lock().push(event.clone());
    });
    let cloud = RestCloud::new(settings, observer).expect("client");
    (listener, cloud, events)
}

fn leader_for(time: Duration) -> Leadership {
    Leadership::until(sole_leader(1).term(), Instant::now() + time)
}

#[tokio::test]
async fn a_write_ends_with_the_leadership() {
    let (_listener, cloud, _) = silent().await;
    let began = Instant::now();
    let permit = leader_for(SHORT).permit().expect("leads");
    let error = cloud
        .create(&permit, &request(), Priority::User)
        .await
        .expect_err("silence");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.outcome_unknown(), "it was sent");
    assert!(
        began.elapsed() < REQUEST_TIMEOUT / 2,
        "not by its own timeout"
    );
}

#[tokio::test]
async fn a_write_in_flight_ends_as_soon_as_another_leader_is_observed() {
    let (listener, cloud, _) = silent().await;
    let leadership = leader_for(REQUEST_TIMEOUT);
    let permit = leadership.permit().expect("leads");
    let (request, began) = (request(), Instant::now());
    let end = async {
        let connection = listener.accept().await.expect("the write's connection");
        leadership.end();
        connection
    };
    let (result, _connection) =
        futures::join!(cloud.create(&permit, &request, Priority::User), end);
    assert!(
        result.expect_err("silence").outcome_unknown(),
        "it may have been sent"
    );
    assert!(
        began.elapsed() < REQUEST_TIMEOUT / 2,
        "not by its own timeout"
    );
}

#[tokio::test]
async fn no_write_starts_after_the_leadership() {
    let (listener, cloud, events) = silent().await;
    let permit = leader_for(SHORT).permit().expect("leads");
    tokio::time::sleep(permit.time_left()).await;
    let request = request();
    let owner = Some(request.owner.clone());
    let known = LoadBalancer::plain("lb-1", request.name.clone(), owner);
    let id = known.id.clone();
    let errors = [
        cloud
            .create(&permit, &request, Priority::User)
            .await
            .map(|_| ()),
        cloud
            .update(&permit, &known, &request, Priority::User)
            .await
            .map(|_| ()),
        cloud.delete(&permit, &id).await,
    ]
    .map(|result| result.expect_err("no permit"));
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::LeadershipLost, "{error}");
        assert!(!error.outcome_unknown(), "it was not sent");
    }
    assert!(
        listener.accept().now_or_never().is_none(),
        "nothing was sent"
    );
    let events = events.lock();
    assert!(
        events
            .iter()
            .all(|event| matches!(event, CallEvent::NotSent(_))),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_write_that_waits_for_a_slot_ends_with_the_leadership() {
    let (listener, cloud, _) = silent().await;
    let (request, id) = (request(), LoadBalancerId::new("lb-1"));
    let query = cloud.query(Which::Id(&id), Priority::User);
    let permit = leader_for(SHORT).permit().expect("leads");
    let write = async {
        let connection = listener.accept().await.expect("the query's connection");
        (
            cloud.create(&permit, &request, Priority::User).await,
            connection,
        )
    };
    let result = tokio::select! {
        (result, _) = write => result,
        answer = query => panic!("the cloud is silent, but: {answer:?}"),
    };
    let error = result.expect_err("no place");
    assert_eq!(error.kind(), ErrorKind::LeadershipLost, "{error}");
}

/// Each page of a list has the time of a request; all of them together have a limit too.
#[tokio::test]
async fn a_list_that_takes_too_long_is_given_up_and_frees_its_slot() {
    let (_listener, cloud, _) = silent().await;
    let cluster = ClusterId::new("cluster");
    let began = Instant::now();
    for _ in 0..2 {
        // The cloud has one call slot.
        let listed = cloud.list_within(SHORT, &cluster).await;
        let error = listed.expect_err("silence");
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert!(error.message().contains("longer than 50ms"), "{error}");
    }
    assert!(began.elapsed() < REQUEST_TIMEOUT / 2);
    assert!(
        bounds::LIST_TIME >= REQUEST_TIMEOUT,
        "one page has its time"
    );
}
