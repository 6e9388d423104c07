use std::io;
use std::sync::{Arc, Mutex};

use super::*;
use crate::telemetry::Metrics;
use crate::telemetry::traces::Traces;

/// Collects what is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `work` logs in JSON under these directives, one value per line.
fn logged(
    directives: &str,
    traces: Option<&Traces>,
    work: impl FnOnce(),
) -> Vec<serde_json::Value> {
    let lines = Lines::default();
    let writer = lines.clone();
    let filter = EnvFilter::new(directives);
    let subscriber = subscriber(Format::Json, filter, traces, None, move || writer.clone());
    tracing::subscriber::with_default(subscriber, work);
    let bytes = lines.0.lock().unwrap();
    String::from_utf8_lossy(&bytes)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn every_verbosity_is_a_filter() {
    for verbosity in 0..=10 {
        let text = directives(verbosity);
        assert!(EnvFilter::try_new(&text).is_ok(), "{text}");
    }
}

#[test]
fn verbosity_opens_our_own_lines_first() {
    let ours = |verbosity| {
        let lines = logged(&directives(verbosity), None, || {
            tracing::info!(target: "my_cloud_controller_manager::controller", "info");
            tracing::debug!(target: "my_cloud_controller_manager::controller", "debug");
            tracing::trace!(target: "my_cloud_controller_manager::controller", "trace");
            tracing::info!(target: "kube_client", "theirs");
        });
        let messages = lines.iter().filter_map(|line| line["message"].as_str());
        messages.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ours(0), "info");
    assert_eq!(ours(2), "info theirs");
    assert_eq!(ours(4), "info debug theirs");
    assert_eq!(ours(6), "info debug trace theirs");
}

#[test]
fn standby_polls_are_quiet_unless_asked_for_by_name() {
    let polls = |directives: &str| {
        logged(directives, None, || {
            tracing::info!(target: "kube_leader_election::lease", "lease is held by another");
        })
        .len()
    };
    assert_eq!(polls(&directives(4)), 0);
    assert_eq!(polls(&overridden("debug")), 0);
    assert_eq!(polls(&overridden("kube_leader_election=info")), 1);
}

#[test]
fn a_warning_keeps_the_fields_of_every_span_around_it() {
    let lines = logged("warn", None, || {
        let _service = tracing::info_span!("reconcile", service = "default/web").entered();
        let _call = tracing::info_span!("cloud_api", cloud = "cloud1").entered();
        tracing::info!("not shown");
        tracing::warn!("the cloud refused");
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["spans"][0]["service"], "default/web");
    assert_eq!(lines[0]["spans"][1]["cloud"], "cloud1");
    assert!(lines[0].get("trace_id").is_none(), "traces are off");
}

#[test]
fn lines_within_a_trace_carry_its_ids() {
    let exports = Metrics::new(&[]).unwrap().program.span_exports();
    let traces = Traces::without_collector(exports);
    let lines = logged("info", Some(&traces), || {
        tracing::info!("outside");
        tracing::info_span!("reconcile").in_scope(|| tracing::info!("inside"));
    });
    assert!(lines[0].get("trace_id").is_none(), "{:?}", lines[0]);
    let length = |name: &str| lines[1][name].as_str().map(str::len);
    assert_eq!(length("trace_id"), Some(32), "{:?}", lines[1]);
    assert_eq!(length("span_id"), Some(16), "{:?}", lines[1]);
    assert_eq!(lines[1]["trace_flags"], "01");
}
