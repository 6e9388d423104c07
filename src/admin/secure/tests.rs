use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, Response};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{advance, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt;

use super::*;

/// The behaviour of the API server for a review.
#[derive(Clone, Copy)]
enum Behavior {
    /// Only the tokens `may` and `may-not` are valid.
    Reviews,
    Rejects,
    Hangs,
}

/// Metrics behind the guard, over a scripted API server.
struct Guarded {
    router: Router,
    reviews: Arc<AtomicUsize>,
    behavior: Arc<Mutex<Behavior>>,
}

impl Guarded {
    fn new() -> Self {
        let reviews = Arc::new(AtomicUsize::new(0));
        let behavior = Arc::new(Mutex::new(Behavior::Reviews));
        let (count, shared) = (reviews.clone(), behavior.clone());
        let api_server = tower::service_fn(move |request: Request<kube::client::Body>| {
            count.fetch_add(1, Ordering::Relaxed);
            let behavior = *shared.lock();
            answer(request, behavior)
        });
        let access = Arc::new(Access::new(Client::new(api_server, "default")));
        let metrics = Router::new().route("/metrics", get(async || "up 1\n"));
        let router = access::guarded(metrics, access);
        Self {
            router,
            reviews,
            behavior,
        }
    }

    fn set(&self, behavior: Behavior) {
        *self.behavior.lock() = behavior;
    }

    async fn get(&self, authorization: Option<&str>) -> Response<Body> {
        let mut request = Request::get("/metrics");
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn status(&self, token: &str) -> u16 {
        let answer = self.get(Some(&format!("Bearer {token}"))).await;
        answer.status().as_u16()
    }

    fn reviews(&self) -> usize {
        self.reviews.load(Ordering::Relaxed)
    }
}

async fn answer(
    request: Request<kube::client::Body>,
    behavior: Behavior,
) -> Result<Response<Body>, std::io::Error> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let review: Value = serde_json::from_slice(&body).unwrap();
    let (code, body) = match behavior {
        Behavior::Reviews => (201, reviewed(&path, review)),
        Behavior::Rejects => (
            403,
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                   "message": "no", "reason": "Forbidden", "code": 403}),
        ),
        Behavior::Hangs => std::future::pending().await,
    };
    let answer = Response::builder().status(code);
    Ok(answer.body(Body::from(body.to_string())).unwrap())
}

fn reviewed(path: &str, mut review: Value) -> Value {
    let spec = &review["spec"];
    review["status"] = if path == "/apis/authentication.k8s.io/v1/tokenreviews" {
        let token = spec["token"].as_str().unwrap();
        match token {
            "may" | "may-not" => json!({"authenticated": true, "user": {
                "username": token, "groups": ["scrapers"], "extra": {"pod": ["a"]}}}),
            // The user of a review without authentication does not count.
            _ => json!({"authenticated": false, "error": "no", "user": {"username": "may"}}),
        }
    } else {
        assert_eq!(path, "/apis/authorization.k8s.io/v1/subjectaccessreviews");
        let reviews = json!({"path": "/metrics", "verb": "get"});
        assert_eq!(spec["nonResourceAttributes"], reviews);
        assert_eq!(spec["groups"], json!(["scrapers"]));
        assert_eq!(spec["extra"], json!({"pod": ["a"]}));
        json!({"allowed": spec["user"] == "may"})
    };
    review
}

#[tokio::test]
async fn only_authorized_clients_pass() {
    let guarded = Guarded::new();
    let long = format!("Bearer {}", "x".repeat(20_000));
    let cases = [
        (Some("Bearer may"), 200, "up 1\n", "authorized"),
        (Some("bearer may"), 200, "up 1\n", "a scheme in lower case"),
        (
            Some("Bearer may-not"),
            403,
            "Forbidden: may-not may not get /metrics\n",
            "not authorized",
        ),
        (
            Some("Bearer wrong"),
            401,
            "Unauthorized\n",
            "an invalid token",
        ),
        (None, 401, "Unauthorized\n", "no token"),
        (Some("Bearer "), 401, "Unauthorized\n", "an empty one"),
        (Some("Basic bWF5"), 401, "Unauthorized\n", "another scheme"),
        (Some("may"), 401, "Unauthorized\n", "no scheme"),
        (
            Some(long.as_str()),
            401,
            "Unauthorized\n",
            "no token at all",
        ),
    ];
    for (authorization, status, text, why) in cases {
        let (head, body) = guarded.get(authorization).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        assert_eq!(
            (head.status.as_u16(), &*body),
            (status, text.as_bytes()),
            "{why}"
        );
        let challenged = head.headers.contains_key(WWW_AUTHENTICATE);
        assert_eq!(challenged, status == 401, "{why}");
    }
    assert_eq!(guarded.reviews(), 5, "only tokens are reviewed, each once");
}

#[tokio::test(start_paused = true)]
async fn without_the_api_server_cached_decisions_expire_after_a_minute() {
    let guarded = Guarded::new();
    assert_eq!(guarded.status("may").await, 200);
    assert_eq!(guarded.reviews(), 2);
    for behavior in [Behavior::Hangs, Behavior::Rejects] {
        guarded.set(behavior);
        assert_eq!(guarded.status("may-not").await, 503, "no decision");
        assert_eq!(guarded.status("wrong").await, 503);
        let reviews = guarded.reviews();
        assert_eq!(guarded.status("may").await, 200, "decided before");
        assert_eq!(guarded.reviews(), reviews, "without another review");
    }
    advance(Duration::from_secs(60)).await;
    assert_eq!(guarded.status("may").await, 503, "a minute later");
    guarded.set(Behavior::Reviews);
    assert_eq!(guarded.status("may").await, 200, "the API server is back");
}

/// The files of one certificate, for as long as the test runs.
struct Files(std::path::PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn certificate(&self) -> PathBuf {
        self.0.join("tls.crt")
    }

    fn key(&self) -> PathBuf {
        self.0.join("tls.key")
    }

    fn write_new(&self) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(self.certificate(), made.cert.pem()).unwrap();
        std::fs::write(self.key(), made.signing_key.serialize_pem()).unwrap();
    }

    fn read(&self) -> Result<Certificate, CertificateError> {
        Certificate::read(self.certificate(), self.key())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_certificate_is_loaded_and_half_of_one_is_not() {
    const LATER: Duration = Duration::from_secs(10);
    let files = Files::new("rotation");
    files.write_new();
    let certificate = files.read().unwrap();
    let first = certificate.current();
    advance(LATER).await;
    assert!(Arc::ptr_eq(&first, &certificate.current()), "unchanged");

    let old_key = std::fs::read(files.key()).unwrap();
    files.write_new();
    let new_key = std::fs::read(files.key()).unwrap();
    std::fs::write(files.key(), old_key).unwrap();
    advance(LATER).await;
    assert!(Arc::ptr_eq(&first, &certificate.current()), "another's key");
    std::fs::remove_file(files.key()).unwrap();
    advance(LATER).await;
    assert!(Arc::ptr_eq(&first, &certificate.current()), "no key");
    std::fs::write(files.key(), new_key).unwrap();
    assert!(Arc::ptr_eq(&first, &certificate.current()), "read just now");
    advance(LATER).await;
    let second = certificate.current();
    assert!(!Arc::ptr_eq(&first, &second), "a new pair");
    advance(LATER).await;
    assert!(Arc::ptr_eq(&second, &certificate.current()), "read once");
}

/// A client that trusts only this certificate.
async fn connect(address: SocketAddr, files: &Files) -> TlsStream<TcpStream> {
    let mut trusted = rustls::RootCertStore::empty();
    let pem = std::fs::read(files.certificate()).unwrap();
    trusted
        .add(CertificateDer::from_pem_slice(&pem).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.unwrap()
}

/// A metrics server that rejects every client, for as long as the test runs.
async fn serve_rejecting(files: &Files) -> (SocketAddr, AbortOnDropHandle<io::Result<()>>) {
    files.write_new();
    let secure = SecureMetrics::bind(SecureMetricsConfig {
        address: "127.0.0.1:0".parse().unwrap(),
        certificate: files.certificate(),
        key: files.key(),
    });
    let secure = secure.await.unwrap();
    let address = secure.listener.local_addr().unwrap();
    let api_server = tower::service_fn(|request| answer(request, Behavior::Rejects));
    let metrics = Arc::new(Metrics::for_test(&[]));
    let client = Client::new(api_server, "default");
    let served = secure.serve(Arc::new(Health::new()), metrics, client);
    (address, AbortOnDropHandle::new(tokio::spawn(served)))
}

#[tokio::test]
async fn a_rejected_client_is_disconnected() {
    let files = Files::new("strangers");
    let (address, _server) = serve_rejecting(&files).await;
    let cases = [
        ("GET /metrics", "", "401"),
        ("GET /metrics", "authorization: Bearer a\r\n", "503"),
        ("GET /elsewhere", "", "404"),
    ];
    for (request, header, status) in cases {
        let mut client = connect(address, &files).await;
        let request = format!("{request} HTTP/1.1\r\nhost: localhost\r\n{header}\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        // Half of the time limit for a silent client.
        let end = timeout(Duration::from_secs(10), client.read_to_string(&mut text));
        let end = end
            .await
            .unwrap_or_else(|_| panic!("still connected: {status}"));
        end.unwrap();
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{text}");
        assert!(text.contains("\r\nconnection: close\r\n"), "{text}");
    }
}

/// Time is paused, so that only the time limits of the server pass.
#[tokio::test(start_paused = true)]
async fn a_silent_client_is_disconnected_after_its_handshake() {
    let files = Files::new("silence");
    let (address, _server) = serve_rejecting(&files).await;
    let mut client = connect(address, &files).await;
    let mut nothing = Vec::new();
    let end = timeout(Duration::from_secs(60), client.read_to_end(&mut nothing));
    // There may be no TLS close_notify; only the end of the connection matters.
    let _ = end.await.expect("still connected");
}

#[test]
fn the_error_of_an_unusable_certificate_names_its_cause() {
    let files = Files::new("unfit");
    let message = || files.read().err().map(|error| error.to_string()).unwrap();
    assert!(message().contains("tls.crt: No such file"), "{}", message());
    files.write_new();
    let (certificate, key) = (
        std::fs::read(files.certificate()).unwrap(),
        std::fs::read(files.key()).unwrap(),
    );
    std::fs::write(files.certificate(), &key).unwrap();
    assert!(
        message().ends_with("tls.crt contains no PEM certificate"),
        "{}",
        message()
    );
    files.write_new();
    std::fs::write(files.key(), &certificate).unwrap();
    assert!(
        message().ends_with("tls.key contains no PEM key"),
        "{}",
        message()
    );
    std::fs::write(files.key(), &key).unwrap();
    assert!(
        message().contains("cannot be used together"),
        "{}",
        message()
    );
}
