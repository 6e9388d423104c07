use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::time::{Instant, SystemTime};

use futures::FutureExt;
use http::HeaderMap;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::SpanData;
use parking_lot::Mutex;
use prometheus::IntCounter;

use super::*;

fn counters() -> SpanExports {
    let counter = |name| IntCounter::new(name, "for a test").unwrap();
    SpanExports {
        exported: counter("exported"),
        failed: counter("failed"),
        dropped: counter("dropped"),
    }
}

/// The span of work that starts its span.
fn span_under(traces: &Traces) -> Option<SpanContext> {
    in_work(traces, || {
        begin();
        active()
    })
}

fn in_work<T>(traces: &Traces, work: impl FnOnce() -> T) -> T {
    let tracer = traces.tracer();
    let promised = tracer.lazy_span("reconcile", Default::default);
    let done = promised.run(async { work() }).now_or_never();
    done.expect("nothing to wait for")
}

impl Traces {
    /// Traces without a collector, for the tests of other modules.
    pub(crate) fn without_collector(exports: SpanExports) -> Self {
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
        assert_eq!(is_enabled(variable), expected, "{reason}");
    }
}

#[tokio::test]
async fn shutdown_sends_the_last_spans_to_the_collector() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (requests, collector) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![0; 64 * 1024];
        let length = stream.read(&mut request).unwrap();
        request.truncate(length);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        requests.send(request).unwrap();
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

/// The header `traceparent` of a request within the current work.
fn traceparent() -> Option<String> {
    let mut headers = HeaderMap::new();
    ClientSpan::begin("cloud1 create", Vec::new).inject(&mut headers);
    let value = headers.get("traceparent")?;
    value.to_str().ok().map(str::to_owned)
}

#[test]
fn requests_carry_their_span_only_when_there_is_one() {
    assert_eq!(traceparent(), None, "no work");
    let off = Tracer::default();
    let work = off.lazy_span("reconcile", Default::default);
    let sent = work.run(async { traceparent() }).now_or_never();
    assert_eq!(sent.expect("nothing to wait for"), None, "traces are off");

    let traces = Traces::new(Dead, counters());
    let (sent, work) = in_work(&traces, || (traceparent(), active()));
    let (sent, work) = (sent.expect("traceparent"), work.expect("the work's span"));
    let parts: Vec<&str> = sent.split('-').collect();
    assert_eq!(parts[1], work.trace_id().to_string(), "{sent}");
    assert_ne!(parts[2], work.span_id().to_string(), "its own span");
    assert_eq!((parts[0], parts[3]), ("00", "01"), "{sent}");
}

/// Keeps the exported spans.
#[derive(Clone, Debug, Default)]
struct ExportedSpans(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for ExportedSpans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().extend(batch);
        Ok(())
    }
}

impl ExportedSpans {
    fn by_name(&self, name: &str) -> Vec<SpanData> {
        let spans = self.0.lock();
        let of_name = spans.iter().filter(|span| span.name == name);
        of_name.cloned().collect()
    }
}

#[tokio::test]
async fn work_without_an_action_or_request_has_no_span() {
    let spans = ExportedSpans::default();
    let traces = Traces::new(spans.clone(), counters());
    assert_eq!(in_work(&traces, active), None);
    in_work(&traces, || {
        note([KeyValue::new("result", "success")]);
        fail("conflict", "words".into());
    });
    let span = in_work(&traces, || {
        drop(ClientSpan::begin("cloud1 query", Vec::new));
        active().expect("a request is worth a span")
    });
    traces.shutdown().await;
    let exported = spans.by_name("reconcile");
    assert_eq!(exported.len(), 1, "{exported:?}");
    assert_eq!(exported[0].span_context, span);
    let request = &spans.by_name("cloud1 query")[0];
    assert_eq!(request.parent_span_id, span.span_id());
    assert_eq!(request.span_kind, SpanKind::Client);
    assert!(
        request.start_time >= exported[0].start_time && request.end_time <= exported[0].end_time,
        "dated back to the beginning of the work"
    );
    let cancelled = KeyValue::new("error.type", "cancelled");
    assert!(
        request.attributes.contains(&cancelled),
        "the request was not ended"
    );
}

#[tokio::test]
async fn attempts_of_two_leaders_and_the_root_are_one_trace() {
    let wish = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
    let provision = ProvisioningTrace::new("cluster", "uid", wish);
    let (mut passes, mut roots) = (Vec::new(), Vec::new());
    for leader in ["first", "second"] {
        let spans = ExportedSpans::default();
        let traces = Traces::new(spans.clone(), counters());
        let tracer = traces.tracer();
        let work = tracer.lazy_span("reconcile", move || SpanDescription {
            within: Some(provision),
            ..SpanDescription::default()
        });
        work.run(async { begin() }).now_or_never().unwrap();
        if leader == "second" {
            tracer.provisioned(&provision, Vec::new());
        }
        // The ids of later spans are random again.
        assert_ne!(span_under(&traces).unwrap().trace_id(), provision.trace());
        traces.shutdown().await;
        passes.push(spans.by_name("reconcile").remove(0));
        roots.extend(spans.by_name("provision"));
    }
    let [root] = &roots[..] else {
        panic!("{roots:?}");
    };
    assert_eq!(root.parent_span_id, SpanId::INVALID);
    assert_eq!(root.start_time, wish);
    for pass in passes {
        assert_eq!(pass.span_context.trace_id(), root.span_context.trace_id());
        assert_eq!(pass.parent_span_id, root.span_context.span_id());
    }
    let others = [
        ProvisioningTrace::new("cluster", "uid", wish + Duration::from_secs(1)),
        ProvisioningTrace::new("cluster", "other", wish),
        ProvisioningTrace::new("other", "uid", wish),
    ];
    for other in others {
        assert_ne!(other.trace(), provision.trace(), "{other:?}");
    }
}

#[test]
fn a_client_names_the_error_of_its_authority() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let with = |certificate: &str| {
        let certificate = certificate.to_owned();
        client::client(move |name| match name {
            "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("https://collector:4318".into()),
            "OTEL_EXPORTER_OTLP_CERTIFICATE" => Some(certificate.clone()),
            _ => None,
        })
    };
    let missing = with("/nowhere/ca.pem").expect_err("there is none");
    assert!(
        missing
            .to_string()
            .starts_with("cannot read /nowhere/ca.pem:"),
        "{missing}"
    );
    let empty = with("/dev/null").expect_err("it is empty");
    assert_eq!(empty.to_string(), "/dev/null contains no PEM certificate");
}
