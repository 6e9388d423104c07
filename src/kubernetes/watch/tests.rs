//! When a watch begins anew.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::timeout;

use super::*;
use crate::kubernetes::data_version::Eras;
use crate::kubernetes::node_object::Node;

const SECOND: Duration = Duration::from_secs(1);

/// The requests that arrived: `list`, or `watch` with its version.
#[derive(Clone, Default)]
struct Requests(Arc<Mutex<Vec<String>>>);

impl Requests {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

/// An API server with one Node at version 10. A watch is answered with this code, or never.
fn api(watch: Option<u16>) -> (Api<Node>, Requests) {
    let requests = Requests::default();
    let arrived = requests.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let is_watch = query.contains("watch=true");
        let mut parameters = query.split('&');
        let version = parameters.find_map(|part| part.strip_prefix("resourceVersion="));
        arrived.0.lock().push(match version.filter(|_| is_watch) {
            Some(version) => format!("watch {version}"),
            None => "list".to_owned(),
        });
        let list = json!({
            "metadata": {"resourceVersion": "10"},
            "items": [{"metadata": {"name": "n"}}],
        });
        async move {
            let (code, body) = match (is_watch, watch) {
                (false, _) => (200, list),
                (true, Some(code)) => (
                    code,
                    json!({"kind": "Status", "status": "Failure", "message": "no", "code": code}),
                ),
                (true, None) => std::future::pending().await,
            };
            let body = Body::from(body.to_string().into_bytes());
            let answer = Response::builder().status(code).body(body);
            Ok::<_, Infallible>(answer.expect("an answer"))
        }
    });
    (Api::all(Client::new(service, "default")), requests)
}

fn timing() -> WatchTiming {
    WatchTiming::new(20 * SECOND)
}

fn kind(event: &Result<Event<Node>, watcher::Error>) -> &'static str {
    match event {
        Ok(Event::Init) => "begin",
        Ok(Event::InitApply(_)) => "object",
        Ok(Event::InitDone) => "listed",
        Ok(Event::Apply(_) | Event::Delete(_)) => "change",
        Err(error) if needs_a_list(error) => "refused",
        Err(_) => "failed",
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_the_api_server_refuses_begins_anew_from_a_list() {
    let (api, requests) = api(Some(403));
    let eras = Eras::default();
    let mut events = std::pin::pin!(events(api, timing(), eras.subscribe()));
    for round in 0..3 {
        for expected in ["begin", "object", "listed", "refused"] {
            let event = events.next().await.expect("it never ends");
            assert_eq!(kind(&event), expected, "round {round}");
        }
        assert_eq!(requests.take(), ["list", "watch 10"], "round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_or_failing_api_server_is_not_asked_for_all_objects_again() {
    for code in [429, 500, 503] {
        let (api, requests) = api(Some(code));
        let eras = Eras::default();
        let mut events = std::pin::pin!(events(api, timing(), eras.subscribe()));
        for round in 0..2 {
            for expected in ["begin", "object", "listed"] {
                let event = events.next().await.expect("it never ends");
                assert_eq!(kind(&event), expected, "{code}, round {round}");
            }
            assert_eq!(requests.take(), ["list"], "{code}, round {round}");
            for _ in 0..PATIENCE {
                let event = events.next().await.expect("it never ends");
                assert_eq!(kind(&event), "failed", "{code}, round {round}");
            }
            let watches = vec!["watch 10"; PATIENCE as usize];
            assert_eq!(requests.take(), watches, "{code}, round {round}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_begins_anew_with_each_era_whatever_it_waits_for() {
    let (api, requests) = api(None);
    let eras = Eras::default();
    let mut events = std::pin::pin!(events(api, timing(), eras.subscribe()));
    for round in 0..3 {
        for expected in ["begin", "object", "listed"] {
            let event = events.next().await.expect("it never ends");
            assert_eq!(kind(&event), expected, "round {round}");
        }
        let next = timeout(3600 * SECOND, events.next()).await;
        assert!(next.is_err(), "the watch shows nothing: {next:?}");
        assert_eq!(requests.take(), ["list", "watch 10"], "round {round}");
        eras.begin_next(0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_pauses_grow_to_a_bound_and_begin_anew_after_a_calm() {
    let mut pauses = Pauses::new(timing().longest_pause());
    let around = |pause: Duration, expected: Duration| {
        let shortest = expected.mul_f64(0.8);
        assert!((shortest..=expected).contains(&pause), "{pause:?}");
    };
    for doubled in [1, 2, 4, 8, 10, 10] {
        around(pauses.next(), FIRST_PAUSE * doubled);
    }
    sleep(LONGEST_PAUSE + CALM).await;
    around(pauses.next(), FIRST_PAUSE);
}

#[test]
fn a_dead_connection_is_found_before_the_replica_is_not_ready_and_that_before_its_end() {
    let timing = timing();
    let bounds = [
        timing.connection_silence(),
        timing.not_ready_after(),
        timing.blind_after(),
    ];
    assert_eq!(bounds.map(|bound| bound.as_secs()), [24, 45, 60]);
    for seconds in [1, 5, 20, 300] {
        let timing = WatchTiming::new(seconds * SECOND);
        // One connection is found dead and the next one begins before that.
        let next = timing.connection_silence() + timing.longest_pause();
        assert!(next < timing.not_ready_after(), "{seconds} s");
        assert!(timing.not_ready_after() < timing.blind_after());
    }
}
