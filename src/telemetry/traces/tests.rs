use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Instant;

use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::SpanData;
use prometheus::IntCounter;
use tracing_subscriber::layer::SubscriberExt;

use super::*;

fn counters() -> SpanExports {
    let counter = |name| IntCounter::new(name, "for a test").unwrap();
    SpanExports {
        exported: counter("exported"),
        failed: counter("failed"),
        dropped: counter("dropped"),
    }
}

fn span_under(traces: &Traces) -> Option<SpanContext> {
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    tracing::subscriber::with_default(subscriber, || {
        tracing::info_span!("reconcile").in_scope(active)
    })
}

impl Traces {
    /// For tests of what else happens within a trace.
    pub(in crate::telemetry) fn without_collector(exports: SpanExports) -> Self {
        Self::new(Dead, exports)
    }
}

#[test]
fn traces_run_only_when_an_endpoint_is_named() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
    let cases = [
        (&[][..], false, "nothing set"),
        (&[endpoint], true, "the general endpoint"),
        (
            &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/v1/traces")],
            true,
            "the one for traces",
        ),
        (
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
            false,
            "set to nothing",
        ),
        (
            &[endpoint, ("OTEL_SDK_DISABLED", "TRUE")],
            false,
            "switched off",
        ),
        (
            &[endpoint, ("OTEL_TRACES_EXPORTER", "none")],
            false,
            "no exporter wanted",
        ),
    ];
    for (variables, expected, reason) in cases {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(wanted(variable), expected, "{reason}");
    }
}

#[tokio::test]
async fn shutdown_sends_the_last_spans_to_the_collector() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (heard, collector) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![0; 64 * 1024];
        let length = stream.read(&mut request).unwrap();
        request.truncate(length);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        heard.send(request).unwrap();
    });
    let exporter = OtlpExporter::builder()
        .with_http()
        .with_endpoint(endpoint)
        .build()
        .unwrap();
    let exports = counters();
    let traces = Traces::new(exporter, exports.clone());
    assert!(span_under(&traces).is_some());
    traces.shutdown().await;
    let request = collector
        .recv_timeout(SHUTDOWN_LIMIT)
        .expect("a request at the collector");
    let request = String::from_utf8_lossy(&request);
    assert!(request.starts_with("POST /v1/traces "), "{request}");
    assert_eq!((exports.exported.get(), exports.failed.get()), (1, 0));
}

#[derive(Debug)]
struct Dead;

impl SpanExporter for Dead {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Err(OTelSdkError::InternalFailure(
            "the collector is down".into(),
        ))
    }
}

#[tokio::test]
async fn a_dead_collector_is_counted_and_delays_nothing() {
    let exports = counters();
    let traces = Traces::new(Dead, exports.clone());
    span_under(&traces);
    let start = Instant::now();
    traces.shutdown().await;
    assert!(start.elapsed() < SHUTDOWN_LIMIT);
    assert_eq!((exports.exported.get(), exports.failed.get()), (0, 1));
}

#[test]
fn calls_carry_the_span_only_when_there_is_one() {
    let mut headers = HeaderMap::new();
    inject(&tracing::info_span!("cloud_api"), &mut headers);
    assert!(headers.is_empty(), "traces are off: {headers:?}");

    let traces = Traces::new(Dead, counters());
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    tracing::subscriber::with_default(subscriber, || {
        inject(&tracing::info_span!("cloud_api"), &mut headers);
    });
    let parent = headers
        .get("traceparent")
        .expect("traceparent")
        .to_str()
        .unwrap();
    assert!(
        parent.starts_with("00-") && parent.ends_with("-01"),
        "{parent}"
    );
}
