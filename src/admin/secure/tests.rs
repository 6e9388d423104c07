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

/// What the API server does to a review.
#[derive(Clone, Copy)]
enum Mood {
    /// It knows the tokens `may` and `may-not`.
    Answers,
    Refuses,
    IsSilent,
}

/// Metrics behind the guard, over a scripted API server.
struct Guarded {
    router: Router,
    asked: Arc<AtomicUsize>,
    mood: Arc<Mutex<Mood>>,
}

impl Guarded {
    fn new() -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let mood = Arc::new(Mutex::new(Mood::Answers));
        let (count, shared) = (asked.clone(), mood.clone());
        let api_server = tower::service_fn(move |request: Request<kube::client::Body>| {
            count.fetch_add(1, Ordering::Relaxed);
            let mood = *shared.lock();
            answer(request, mood)
        });
        let access = Arc::new(Access::new(Client::new(api_server, "default")));
        let metrics = Router::new().route("/metrics", get(async || "up 1\n"));
        let router = access::guarded(metrics, access);
        Self {
            router,
            asked,
            mood,
        }
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock() = mood;
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

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn answer(
    request: Request<kube::client::Body>,
    mood: Mood,
) -> Result<Response<Body>, std::io::Error> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let review: Value = serde_json::from_slice(&body).unwrap();
    let (code, body) = match mood {
        Mood::Answers => (201, reviewed(&path, review)),
        Mood::Refuses => (
            403,
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                   "message": "no", "reason": "Forbidden", "code": 403}),
        ),
        Mood::IsSilent => std::future::pending().await,
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
            // The name of somebody who is not authenticated proves nothing.
            _ => json!({"authenticated": false, "error": "no", "user": {"username": "may"}}),
        }
    } else {
        assert_eq!(path, "/apis/authorization.k8s.io/v1/subjectaccessreviews");
        let asked = json!({"path": "/metrics", "verb": "get"});
        assert_eq!(spec["nonResourceAttributes"], asked);
        assert_eq!(spec["groups"], json!(["scrapers"]));
        assert_eq!(spec["extra"], json!({"pod": ["a"]}));
        json!({"allowed": spec["user"] == "may"})
    };
    review
}

#[tokio::test]
async fn only_who_may_is_let_in() {
    let guarded = Guarded::new();
    let long = format!("Bearer {}", "x".repeat(20_000));
    let cases = [
        (Some("Bearer may"), 200, "up 1\n", "who may"),
        (Some("bearer may"), 200, "up 1\n", "a scheme in lower case"),
        (
            Some("Bearer may-not"),
            403,
            "Forbidden: may-not may not get /metrics\n",
            "somebody else",
        ),
        (
            Some("Bearer wrong"),
            401,
            "Unauthorized\n",
            "a token of nobody",
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
    assert_eq!(guarded.asked(), 5, "only tokens are passed on, each once");
}

#[tokio::test(start_paused = true)]
async fn without_the_api_server_nobody_is_let_in_for_longer_than_a_minute() {
    let guarded = Guarded::new();
    assert_eq!(guarded.status("may").await, 200);
    assert_eq!(guarded.asked(), 2);
    for mood in [Mood::IsSilent, Mood::Refuses] {
        guarded.set(mood);
        assert_eq!(guarded.status("may-not").await, 503, "not known");
        assert_eq!(guarded.status("wrong").await, 503);
        let asked = guarded.asked();
        assert_eq!(guarded.status("may").await, 200, "decided before");
        assert_eq!(guarded.asked(), asked, "and not asked again");
    }
    advance(Duration::from_secs(60)).await;
    assert_eq!(guarded.status("may").await, 503, "a minute later");
    guarded.set(Mood::Answers);
    assert_eq!(guarded.status("may").await, 200, "and when it is back");
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
async fn a_new_certificate_is_taken_up_and_half_a_one_is_not() {
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
    assert!(
        Arc::ptr_eq(&first, &certificate.current()),
        "looked just now"
    );
    advance(LATER).await;
    let second = certificate.current();
    assert!(!Arc::ptr_eq(&first, &second), "a new pair");
    advance(LATER).await;
    assert!(Arc::ptr_eq(&second, &certificate.current()), "read once");
}

/// A client that trusts nobody but the owner of this certificate.
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

/// A server of metrics that lets nobody in, for as long as the test runs.
async fn serve_nobody(files: &Files) -> (SocketAddr, AbortOnDropHandle<io::Result<()>>) {
    files.write_new();
    let secure = SecureMetrics::bind(SecureMetricsConfig {
        address: "127.0.0.1:0".parse().unwrap(),
        certificate: files.certificate(),
        key: files.key(),
    });
    let secure = secure.await.unwrap();
    let address = secure.listener.local_addr().unwrap();
    let nobody = tower::service_fn(|request| answer(request, Mood::Refuses));
    let metrics = Arc::new(Metrics::for_test(&[]));
    let client = Client::new(nobody, "default");
    let served = secure.serve(Arc::new(Health::new()), metrics, client);
    (address, AbortOnDropHandle::new(tokio::spawn(served)))
}

#[tokio::test]
async fn who_is_not_let_in_keeps_no_place() {
    let files = Files::new("strangers");
    let (address, _server) = serve_nobody(&files).await;
    let cases = [
        ("GET /metrics", "", "401"),
        ("GET /metrics", "authorization: Bearer a\r\n", "503"),
        ("GET /elsewhere", "", "404"),
    ];
    for (question, header, status) in cases {
        let mut client = connect(address, &files).await;
        let question = format!("{question} HTTP/1.1\r\nhost: localhost\r\n{header}\r\n");
        client.write_all(question.as_bytes()).await.unwrap();
        let mut text = String::new();
        // Half of what a silent client has.
        let end = timeout(Duration::from_secs(10), client.read_to_string(&mut text));
        let end = end
            .await
            .unwrap_or_else(|_| panic!("still connected: {status}"));
        end.unwrap();
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{text}");
        assert!(text.contains("\r\nconnection: close\r\n"), "{text}");
    }
}

/// Time stands still but for the server's own time limits.
#[tokio::test(start_paused = true)]
async fn who_shakes_hands_and_is_silent_is_let_go() {
    let files = Files::new("silence");
    let (address, _server) = serve_nobody(&files).await;
    let mut client = connect(address, &files).await;
    let mut nothing = Vec::new();
    let end = timeout(Duration::from_secs(60), client.read_to_end(&mut nothing));
    // Without a farewell of TLS; what counts is that the place is free.
    let _ = end.await.expect("still connected");
}

#[test]
fn a_certificate_that_is_of_no_use_says_why() {
    let files = Files::new("unfit");
    let said = || files.read().err().map(|error| error.to_string()).unwrap();
    assert!(said().contains("tls.crt: No such file"), "{}", said());
    files.write_new();
    let (certificate, key) = (
        std::fs::read(files.certificate()).unwrap(),
        std::fs::read(files.key()).unwrap(),
    );
    std::fs::write(files.certificate(), &key).unwrap();
    assert!(
        said().ends_with("tls.crt contains no PEM certificate"),
        "{}",
        said()
    );
    files.write_new();
    std::fs::write(files.key(), &certificate).unwrap();
    assert!(said().ends_with("tls.key holds no PEM key"), "{}", said());
    std::fs::write(files.key(), &key).unwrap();
    assert!(said().contains("cannot be used together"), "{}", said());
}
