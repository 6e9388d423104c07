//! `docs/metrics.md`, written from what is registered.

use std::fmt::Write;

use super::Metrics;
use super::registry::{Described, Label, MetricKind, Values};

const HEADING: &str = "\
# Metrics

Written from the program: `UPDATE_DOCS=1 cargo test --lib metrics_document` writes it anew.

At `/metrics` of every replica, as Prometheus text or, if the scraper would rather, as OpenMetrics
1.0 with exemplars that carry trace ids. Counters and histograms whose labels are known exist from
the start, at 0. Labels have values of closed sets; no Service, Node, id or message is ever one.
\"Leader\": only the leading replica tells; ask with `max by (cloud)`, not `sum`.

";

const OF_THE_PROCESS: &str = "
A Service asks when its `enable` or its type was last written, as `managedFields` tell, so that the
next leader knows it too. That moves with an edit by the same hand; who leads meanwhile keeps to the
first moment, unless a person had to mend something (`provisioning_failures`, a value that is no use).

`process_*` is as in other programs, but with CPU time in fractions of a second:
`process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_virtual_memory_bytes`,
`process_open_fds`, `process_max_fds`, `process_start_time_seconds`, `process_threads`.
";

impl Metrics {
    /// The text of `docs/metrics.md`.
    pub fn document(&self) -> String {
        let mut text = HEADING.to_owned();
        text.push_str("| metric | type | labels | what it tells |\n|---|---|---|---|\n");
        for family in &self.described {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", row(family));
        }
        text.push_str(OF_THE_PROCESS);
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
    let mut what = (*help).to_owned();
    if *leader_only {
        what.push_str(" Leader.");
    }
    if *kind == MetricKind::Histogram {
        let bounds: Vec<String> = buckets.iter().map(ToString::to_string).collect();
        let _ = write!(what, " Buckets: {}.", bounds.join(" "));
    }
    let labels: Vec<String> = labels.iter().map(label).collect();
    let kind: &str = kind.into();
    format!("| `{name}` | {kind} | {} | {what} |", labels.join("; "))
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
        // What one build is called says nothing to a reader.
        Values::AndMore(_) if matches!(name, "version" | "revision") => format!("`{name}`"),
        Values::AndMore(values) => format!("`{name}`: {}, and more as they happen", quoted(values)),
        Values::AsTheyHappen => format!("`{name}`: as they happen"),
    }
}
