use futures::FutureExt;

use super::filter::{of_verbosity, parse};
use super::*;
use crate::telemetry::Metrics;
use crate::telemetry::captured_logs::CapturedLogs;
use crate::telemetry::traces::Traces;

/// The lines that `work` logs under this filter, which `work` may replace.
fn written(format: LogFormat, filter: EnvFilter, work: impl FnOnce(&LogFilter)) -> String {
    let lines = CapturedLogs::default();
    let writer = lines.clone();
    let filter = ("start".to_owned(), filter);
    let (subscriber, filter) = subscriber(format, filter, None, move || writer.clone());
    tracing::subscriber::with_default(subscriber, || work(&filter));
    lines.take()
}

/// The lines that `work` logs as JSON under this filter, one value for each line.
fn logged(filter: EnvFilter, work: impl FnOnce()) -> Vec<serde_json::Value> {
    written(LogFormat::Json, filter, |_| work())
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn verbosity_opens_our_own_lines_first() {
    let ours = |verbosity| {
        let lines = logged(of_verbosity(verbosity).1, || {
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
    let polls = |filter: EnvFilter| {
        logged(filter, || {
            tracing::info!(target: "kube_leader_election::lease", "lease is held by another");
        })
        .len()
    };
    assert_eq!(polls(of_verbosity(4).1), 0);
    assert_eq!(polls(parse("debug").unwrap()), 0);
    assert_eq!(polls(parse("kube_leader_election=info").unwrap()), 1);
}

#[test]
fn a_warning_keeps_the_fields_of_every_span_around_it() {
    let lines = logged(EnvFilter::new("warn"), || {
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
fn lines_of_work_with_a_span_carry_its_ids() {
    let exports = Metrics::for_test(&[]).program.span_exports();
    let tracer = Traces::without_collector(exports).tracer();
    let lines = logged(EnvFilter::new("info"), || {
        let work = tracer.lazy_span("reconcile", Default::default);
        let done = work.run(async {
            tracing::info!("quiet so far");
            traces::begin();
            tracing::info!("worth a span");
        });
        done.now_or_never().unwrap();
    });
    assert!(lines[0].get("trace_id").is_none(), "{:?}", lines[0]);
    let length = |name: &str| lines[1][name].as_str().map(str::len);
    assert_eq!(length("trace_id"), Some(32), "{:?}", lines[1]);
    assert_eq!(length("span_id"), Some(16), "{:?}", lines[1]);
    assert_eq!(lines[1]["trace_flags"], "01");
}

#[test]
fn text_lines_within_a_trace_carry_its_ids_too() {
    let exports = Metrics::for_test(&[]).program.span_exports();
    let tracer = Traces::without_collector(exports).tracer();
    let text = written(LogFormat::Text, EnvFilter::new("info"), |_| {
        tracing::info!("outside");
        let work = tracer.lazy_span("reconcile", Default::default);
        let done = work.run(async {
            traces::begin();
            tracing::info!(answer = 42, "inside");
        });
        done.now_or_never().unwrap();
    });
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].ends_with("outside"), "{text}");
    let (line, ids) = lines[1].split_once(" trace_id=").expect(lines[1]);
    assert!(line.ends_with("inside answer=42"), "{text}");
    let (trace, span) = ids.split_once(" span_id=").expect(lines[1]);
    assert_eq!((trace.len(), span.len()), (32, 16), "{text}");
}

#[test]
fn a_filter_is_replaced_while_lines_are_written() {
    let ours = "my_cloud_controller_manager=debug";
    let text = written(LogFormat::Text, EnvFilter::new("warn"), |filter| {
        let log = |when: &str| {
            tracing::debug!(target: "my_cloud_controller_manager::cloud", when, "ours");
            tracing::info!(target: "kube_client", when, "theirs");
            tracing::info!(target: "kube_leader_election", when, "a poll");
        };
        assert_eq!(filter.text(), "start");
        log("before");
        filter.set(&format!(" info,{ours}\n")).unwrap();
        assert_eq!(filter.text(), format!("info,{ours}"));
        log("opened");
        filter.set("error").unwrap();
        log("closed");
    });
    let ends: Vec<_> = text
        .lines()
        .filter_map(|line| line.rsplit_once(": ").map(|(_, end)| end))
        .collect();
    let changes = ends
        .iter()
        .filter(|end| end.starts_with("the log filter is being replaced"));
    assert_eq!(changes.count(), 2, "logged before each change: {text}");
    let logged_lines: Vec<_> = ends.iter().filter(|end| end.contains("when=")).collect();
    let expected = ["ours when=\"opened\"", "theirs when=\"opened\""];
    assert_eq!(logged_lines, expected.iter().collect::<Vec<_>>(), "{text}");
}

#[test]
fn a_line_that_may_contain_a_token_is_never_written() {
    let asked_for = "trace,kube_client::client=trace,kube_client::client[review]=trace";
    let lines = logged(parse(asked_for).unwrap(), || {
        let review = tracing::error_span!(target: "kube_client::client", "review");
        let _inside = review.enter();
        tracing::warn!(target: "kube_client::client", "token");
        tracing::trace!(target: "kube_client::client", "token");
        tracing::error!(target: "kube_client::client", "failed");
        tracing::trace!(target: "kube_client::client::tls", "theirs");
    });
    let messages: Vec<_> = lines.iter().map(|line| &line["message"]).collect();
    assert_eq!(messages, ["failed", "theirs"]);
}

#[test]
fn a_bad_filter_is_named_and_changes_nothing() {
    written(LogFormat::Text, EnvFilter::new("warn"), |filter| {
        let cases = [
            ("", "the filter is empty", "nothing at all"),
            ("info,kube=loud", "\"kube=loud\"", "not a level"),
            (
                "inof",
                "\"inof\"",
                "a slip, not a target that silences all others",
            ),
            ("info,,warn", "\"\"", "an empty one"),
            (
                "info, kube=debug",
                "\" kube=debug\"",
                "a blank would be part of the target",
            ),
            ("info,[reconcile", "\"[reconcile\"", "an open bracket"),
        ];
        for (text, named, why) in cases {
            let error = filter.set(text).expect_err(why).to_string();
            assert!(error.contains(named), "{why}: {error}");
        }
        assert_eq!(filter.text(), "start");
        for text in [
            "off",
            "DEBUG",
            "kube=trace",
            "[reconcile]=debug",
            "hyper::client=0",
        ] {
            filter.set(text).expect(text);
        }
    });
}
