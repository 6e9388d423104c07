//! `docs/metrics.md`, generated from the registered metrics.

use std::fmt::Write;

use super::Metrics;
use super::registry::{Described, Label, MetricKind, Values};

const HEADING: &str = "\
# Metrics

This file is generated from the program: `UPDATE_DOCS=1 cargo test --lib metrics_document` writes it again.

Every replica serves its metrics at `/metrics`, as Prometheus text or, if the scraper prefers it, as
OpenMetrics 1.0 with exemplars that carry trace ids. Counters and histograms whose label values are
known exist from the start, at 0. All label values come from closed sets; the name of a Service or
Node, an id or a message is never a label value. \"Leader only\": only the leader exports the metric;
aggregate it with `max by (cloud)`, not with `sum`.

";

const CLOSING: &str = "
A Service requests a load balancer when its annotation `enable` or its type is written. The controller
reads this time from `managedFields`, so that a new leader measures from the same time. A later edit by
the same field manager moves the time in `managedFields`; the leader keeps the first one that it saw,
unless the Service had failed in between until a user changed it (`provisioning_failures`, an invalid value).

`process_*` are the usual process metrics, with CPU time in fractions of a second:
`process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_virtual_memory_bytes`,
`process_open_fds`, `process_max_fds`, `process_start_time_seconds`, `process_threads`.
";

impl Metrics {
    /// The text of `docs/metrics.md`.
    pub fn document(&self) -> String {
        let mut text = HEADING.to_owned();
        text.push_str("| metric | type | labels | description |\n|---|---|---|---|\n");
        for family in &self.described {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", row(family));
        }
        text.push_str(CLOSING);
        text
    }
}

fn row(family: &Described) -> String {
    let Described {
        name,
        kind,
        help,
        labels,
        buckets,
        leader_only,
    } = family;
    let mut text = (*help).to_owned();
    if *leader_only {
        text.push_str(" Leader only.");
    }
    if *kind == MetricKind::Histogram {
        let bounds: Vec<String> = buckets.iter().map(ToString::to_string).collect();
        let _ = write!(text, " Buckets: {}.", bounds.join(" "));
    }
    let labels: Vec<String> = labels.iter().map(label).collect();
    let kind: &str = kind.into();
    format!("| `{name}` | {kind} | {} | {text} |", labels.join("; "))
}

fn label(label: &Label) -> String {
    let quoted = |values: &[String]| {
        let quoted: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        quoted.join(" ")
    };
    let name = label.name;
    match &label.values {
        Values::Clouds(_) => format!("`{name}`"),
        Values::Of(values) => format!("`{name}`: {}", quoted(values)),
        // The name of one particular build does not help a reader.
        Values::AndMore(_) if matches!(name, "version" | "revision") => format!("`{name}`"),
        Values::AndMore(values) => {
            format!("`{name}`: {}, and others on first use", quoted(values))
        }
        Values::AsTheyHappen => format!("`{name}`: values appear on first use"),
    }
}
