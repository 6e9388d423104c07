use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt;

use super::*;

/// The probes of a process whose check `leader_election` fails while `wedged` is set.
struct Process {
    router: Router,
    wedged: Arc<AtomicBool>,
}

impl Process {
    fn new() -> Self {
        let health = Arc::new(Health::new());
        let wedged = Arc::new(AtomicBool::new(false));
        let state = Arc::clone(&wedged);
        health.add("leader_election", CheckKind::Live, move || {
            if state.load(Ordering::Relaxed) {
                return Err("the Lease was last renewed 40s ago".into());
            }
            Ok(())
        });
        health.add("stores", CheckKind::Ready, || {
            Err("Nodes were not listed yet".into())
        });
        let metrics = Arc::new(Metrics::for_test(&[]));
        Self {
            router: router(
                health,
                Some(metrics),
                LogFilter::of_nothing("info"),
                Plans::default(),
            ),
            wedged,
        }
    }

    async fn request(&self, method: &str, path: &str) -> (StatusCode, HeaderMap, String) {
        self.request_from("127.0.0.1", method, path, "").await
    }

    async fn request_from(
        &self,
        peer: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> (StatusCode, HeaderMap, String) {
        let peer = SocketAddr::new(peer.parse().unwrap(), 40_000);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .extension(ConnectInfo(peer))
            .body(Body::from(body.to_owned()))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            head.status,
            head.headers,
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let (status, _, text) = self.request("GET", path).await;
        (status.as_u16(), text)
    }
}

#[tokio::test]
async fn responses_have_the_format_of_kube_apiserver() {
    let process = Process::new();
    let cases = [
        ("/livez", 200, "ok", "all checks pass"),
        ("/healthz", 200, "ok", "the old name of livez"),
        (
            "/livez?verbose",
            200,
            "[+]ping ok\n[+]leader_election ok\nlivez check passed\n",
            "one line per check",
        ),
        (
            "/healthz?verbose=1",
            200,
            "[+]ping ok\n[+]leader_election ok\nhealthz check passed\n",
            "any value",
        ),
        ("/livez/ping", 200, "ok", "one check"),
        (
            "/livez/nothing",
            404,
            "404 page not found\n",
            "no such check",
        ),
        (
            "/livez/stores",
            404,
            "404 page not found\n",
            "a check of another kind",
        ),
        (
            "/readyz",
            500,
            "[+]ping ok\n[-]stores failed: reason withheld\nreadyz check failed\n",
            "a failure is always verbose, without its reason",
        ),
        (
            "/readyz/stores",
            500,
            "internal server error: Nodes were not listed yet\n",
            "a single check includes the reason",
        ),
        (
            "/readyz?exclude=stores",
            200,
            "ok",
            "what fails is excluded",
        ),
        (
            "/readyz?verbose&exclude=stores&exclude=x",
            200,
            "[+]ping ok\n[+]stores excluded: ok\nwarn: some health checks cannot be excluded: no matches for \"x\"\nreadyz check passed\n",
            "an unknown name is reported",
        ),
    ];
    for (path, status, text, reason) in cases {
        assert_eq!(
            process.get(path).await,
            (status, text.to_owned()),
            "{path}: {reason}"
        );
    }
}

#[tokio::test]
async fn a_wedged_leader_is_not_live_and_its_readiness_is_unaffected() {
    let process = Process::new();
    process.wedged.store(true, Ordering::Relaxed);
    assert_eq!(process.get("/livez").await.0, 500);
    assert_eq!(process.get("/healthz").await.0, 500);
    assert_eq!(process.get("/readyz?exclude=stores").await.0, 200);
    process.wedged.store(false, Ordering::Relaxed);
    assert_eq!(
        process.get("/livez").await.0,
        200,
        "each probe runs the check"
    );
}

#[tokio::test]
async fn responses_are_never_cached_and_their_type_is_never_sniffed() {
    let process = Process::new();
    for path in [
        "/livez",
        "/readyz",
        "/livez/ping",
        "/livez/nothing",
        "/metrics",
    ] {
        let (_, headers, _) = process.request("GET", path).await;
        assert_eq!(headers[CACHE_CONTROL], "no-store", "{path}");
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
    }
}

#[tokio::test]
async fn only_get_and_head_are_answered() {
    let process = Process::new();
    let (status, _, text) = process.request("HEAD", "/livez").await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, ""));
    let (status, ..) = process.request("POST", "/livez").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(process.get("/elsewhere").await.0, 404);
}

#[tokio::test]
async fn metrics_have_their_exact_content_type_and_include_the_checks() {
    let process = Process::new();
    let (status, headers, text) = process.request("GET", "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        headers[CONTENT_TYPE],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    for line in [
        "mycloud_lb_healthcheck{name=\"leader_election\",type=\"livez\"} 1",
        "mycloud_lb_healthcheck{name=\"stores\",type=\"readyz\"} 0",
    ] {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
}

/// Time is paused, so that only the time limit of the server passes.
#[tokio::test(start_paused = true)]
async fn a_silent_client_is_disconnected() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = router(
        Arc::new(Health::new()),
        None,
        LogFilter::of_nothing("info"),
        Plans::default(),
    );
    let _server = AbortOnDropHandle::new(tokio::spawn(serve(listener, router)));
    let cases = [
        ("", "", "no request"),
        ("GET /livez HTTP/1.1\r\n", "", "half a request"),
        (
            "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n",
            "ok",
            "no second request",
        ),
    ];
    for (question, answer, why) in cases {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(question.as_bytes()).await.unwrap();
        let mut text = String::new();
        let end = timeout(Duration::from_secs(60), client.read_to_string(&mut text));
        end.await
            .unwrap_or_else(|_| panic!("still connected: {why}"))
            .unwrap();
        assert!(text.ends_with(answer), "{why}: {text}");
    }
}

/// The response of a server that closes the connection long before its time limit for
/// silent clients.
async fn answers(client: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // Unread bytes turn the close into a reset.
    let end = timeout(Duration::from_secs(10), client.read_to_end(&mut text));
    let _ = end.await.expect("still connected");
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_head_that_is_too_long_is_rejected() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = router(
        Arc::new(Health::new()),
        None,
        LogFilter::of_nothing("info"),
        Plans::default(),
    );
    let _server = AbortOnDropHandle::new(tokio::spawn(serve(listener, router)));
    for (bytes, is_answered, why) in [
        (20_000, true, "a long token and more"),
        (100_000, false, "longer than any request needs"),
    ] {
        let filler = "x".repeat(bytes);
        let question = format!(
            "GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\nfiller: {filler}\r\n\r\n"
        );
        let mut client = TcpStream::connect(address).await.unwrap();
        // The server may close the connection before the client has sent all bytes.
        let _ = client.write_all(question.as_bytes()).await;
        let text = answers(&mut client).await;
        assert_eq!(text.ends_with("ok"), is_answered, "{why}: {text}");
    }
}

#[tokio::test]
async fn silent_clients_do_not_starve_a_probe() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = router(
        Arc::new(Health::new()),
        None,
        LogFilter::of_nothing("info"),
        Plans::default(),
    );
    let _server = AbortOnDropHandle::new(tokio::spawn(serve(listener, router)));
    let mut silent = Vec::new();
    for _ in 0..256 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut probe = TcpStream::connect(address).await.unwrap();
    let question = "GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    probe.write_all(question.as_bytes()).await.unwrap();
    let text = answers(&mut probe).await;
    assert!(text.ends_with("ok"), "{text}");
    assert_eq!(
        answers(&mut silent[0]).await,
        "",
        "the oldest connection was closed"
    );
}

#[tokio::test]
async fn metrics_are_served_only_where_they_are_configured() {
    let filter = LogFilter::of_nothing("info");
    let router = router(Arc::new(Health::new()), None, filter, Plans::default());
    let process = Process {
        router,
        wedged: Arc::default(),
    };
    assert_eq!(process.get("/metrics").await.0, 404);
    assert_eq!(process.get("/livez").await.0, 200);
}

#[tokio::test]
async fn the_log_filter_is_shown_and_replaced_on_a_loopback_address() {
    let process = Process::new();
    let path = "/debug/log-filter";
    assert_eq!(process.get(path).await, (200, "info\n".to_owned()));
    let debug = "info,my_cloud_controller_manager=debug";
    let (status, _, text) = process.request_from("::1", "PUT", path, debug).await;
    assert_eq!((status.as_u16(), text), (200, format!("{debug}\n")));
    let (status, _, text) = process
        .request_from("127.0.0.1", "PUT", path, "info,x=loud")
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.contains("\"x=loud\""), "{text}");
    let long = "x".repeat(5000);
    let (status, ..) = process.request_from("127.0.0.1", "PUT", path, &long).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(process.get(path).await, (200, format!("{debug}\n")));
}

#[tokio::test]
async fn the_log_filter_rejects_other_addresses() {
    let process = Process::new();
    let path = "/debug/log-filter";
    for peer in ["10.0.0.7", "::ffff:10.0.0.7", "fd00::7", "0.0.0.0"] {
        for method in ["GET", "PUT"] {
            let (status, _, text) = process.request_from(peer, method, path, "trace").await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{method} from {peer}");
            assert!(text.contains("loopback"), "{text}");
        }
    }
    for peer in ["127.0.0.9", "::ffff:127.0.0.1"] {
        let (status, _, text) = process.request_from(peer, "GET", path, "").await;
        assert_eq!((status.as_u16(), text.as_str()), (200, "info\n"), "{peer}");
    }
}
