//! Counts the ended spans by the result of their export. The SDK itself does not count
//! the spans that exceed its queue, and logs every failed batch without a limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};
use prometheus::IntCounter;

/// Default size of the queue of the SDK.
const QUEUE: usize = 2048;

/// Counters of ended spans by the result of their export.
#[derive(Clone, Debug)]
pub struct SpanExports {
    /// The collector accepted the spans.
    pub exported: IntCounter,
    /// The export failed.
    pub failed: IntCounter,
    /// The queue was full.
    pub dropped: IntCounter,
}

/// Exports spans in batches from a separate thread, and counts them.
pub(super) fn processor<E: SpanExporter + 'static>(
    exporter: E,
    exports: SpanExports,
) -> impl SpanProcessor {
    let size = std::env::var("OTEL_BSP_MAX_QUEUE_SIZE");
    let waiting = Arc::new(AtomicUsize::new(0));
    let counted = CountingExporter {
        inner: exporter,
        exports: exports.clone(),
        waiting: waiting.clone(),
        down: AtomicBool::new(false),
    };
    Bounded {
        inner: BatchSpanProcessor::builder(counted).build(),
        dropped: exports.dropped,
        waiting,
        limit: size
            .ok()
            .and_then(|size| size.parse().ok())
            .unwrap_or(QUEUE),
    }
}

/// Limits the waiting spans to the size of the queue of the SDK, so that every dropped
/// span is dropped here and counted.
#[derive(Debug)]
struct Bounded {
    inner: BatchSpanProcessor,
    dropped: IntCounter,
    waiting: Arc<AtomicUsize>,
    limit: usize,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            // The span is not exported, so it does not wait either.
        } else if self.waiting.fetch_add(1, Ordering::Relaxed) < self.limit {
            self.inner.on_end(span);
        } else {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.dropped.inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Counts the spans of each batch, and logs once when exports begin to fail and once
/// when they succeed again.
#[derive(Debug)]
struct CountingExporter<E> {
    inner: E,
    exports: SpanExports,
    waiting: Arc<AtomicUsize>,
    down: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for CountingExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let length = batch.len();
        let spans = length as u64;
        let result = self.inner.export(batch).await;
        self.waiting.fetch_sub(length, Ordering::Relaxed);
        match result {
            Ok(()) => {
                self.exports.exported.inc_by(spans);
                if self.down.swap(false, Ordering::Relaxed) {
                    tracing::info!("the trace collector accepts spans again");
                }
            }
            Err(error) => {
                self.exports.failed.inc_by(spans);
                if !self.down.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "the trace collector does not accept spans; spans are dropped until it does");
                }
            }
        }
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
