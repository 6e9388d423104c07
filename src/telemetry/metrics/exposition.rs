//! The metrics as text: the Prometheus format 0.0.4, or OpenMetrics 1.0 with exemplars,
//! whichever the scraper prefers.

use std::fmt::Write;

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use super::exemplars::Exemplars;

/// The text format of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpositionFormat {
    /// Prometheus 0.0.4.
    Text,
    /// Version 1.0.
    OpenMetrics,
}

impl ExpositionFormat {
    /// The format that an `Accept` header prefers; OpenMetrics on a tie, as in the
    /// client libraries of Prometheus.
    pub fn preferred(accept: &str) -> Self {
        let quality = |matches: fn(&str) -> bool| {
            let offers = accept
                .split(',')
                .map(str::trim)
                .filter(|offer| matches(offer));
            let weight = |offer: &str| {
                let parameters = offer.split(';').map(str::trim);
                let mut weights = parameters.filter_map(|one| one.strip_prefix("q="));
                weights
                    .next()
                    .and_then(|weight| weight.parse().ok())
                    .unwrap_or(1.0_f32)
            };
            offers.map(weight).fold(0.0, f32::max)
        };
        let open = quality(|offer| {
            offer.starts_with("application/openmetrics-text")
                && (offer.contains("version=1.0.0") || !offer.contains("version="))
        });
        if open > 0.0 && open >= quality(|offer| offer.starts_with("text/plain")) {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// The value of the header `Content-Type`, without which Prometheus 3 rejects the
    /// response.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    pub(super) fn write(self, families: &[MetricFamily], exemplars: &Exemplars) -> Vec<u8> {
        match self {
            Self::Text => text(families),
            Self::OpenMetrics => open_metrics(families, exemplars).into_bytes(),
        }
    }
}

fn text(families: &[MetricFamily]) -> Vec<u8> {
    let mut text = Vec::with_capacity(64 * 1024);
    if let Err(error) = TextEncoder::new().encode(families, &mut text) {
        tracing::error!(%error, "cannot encode the metrics");
    }
    text
}

/// The name and type of a family, before its samples.
struct Heading<'a> {
    name: &'a str,
    kind: &'static str,
}

impl<'a> Heading<'a> {
    /// The heading in OpenMetrics, which names a counter without its suffix `_total`.
    fn of(family: &'a MetricFamily) -> Self {
        let full = family.name();
        let (name, kind) = match family.get_field_type() {
            MetricType::COUNTER => (full.strip_suffix("_total").unwrap_or(full), "counter"),
            MetricType::HISTOGRAM => (full, "histogram"),
            _ => match full.strip_suffix("_info") {
                Some(name) => (name, "info"),
                None => (full, "gauge"),
            },
        };
        Self { name, kind }
    }
}

// Writing to a String cannot fail.
fn open_metrics(families: &[MetricFamily], exemplars: &Exemplars) -> String {
    let mut text = String::with_capacity(64 * 1024);
    for family in families {
        let Heading { name, kind } = Heading::of(family);
        let _ = writeln!(text, "# TYPE {name} {kind}");
        let is_unit = |unit: &&str| {
            name.strip_suffix(*unit)
                .is_some_and(|rest| rest.ends_with('_'))
        };
        if let Some(unit) = ["seconds", "bytes"].iter().find(|unit| is_unit(unit)) {
            let _ = writeln!(text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(text, "# HELP {name} {}", escaped(family.help()));
        for metric in family.get_metric() {
            let labels = labels(metric, None);
            let _ = match family.get_field_type() {
                MetricType::COUNTER => {
                    let value = metric.get_counter().get_value();
                    writeln!(text, "{name}_total{labels} {value}")
                }
                MetricType::HISTOGRAM => {
                    histogram(&mut text, name, metric, exemplars);
                    Ok(())
                }
                _ => writeln!(
                    text,
                    "{}{labels} {}",
                    family.name(),
                    metric.get_gauge().get_value()
                ),
            };
        }
    }
    text.push_str("# EOF\n");
    text
}

fn histogram(text: &mut String, name: &str, metric: &Metric, exemplars: &Exemplars) {
    let histogram = metric.get_histogram();
    let mut pairs: Vec<&LabelPair> = metric.get_label().iter().collect();
    pairs.sort_by_key(|pair| pair.name());
    let values: Vec<&str> = pairs.into_iter().map(LabelPair::value).collect();
    let exemplars = exemplars.of(name, &values);
    let bounded = histogram.get_bucket().iter();
    let rows = bounded
        .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
        .chain([(f64::INFINITY, histogram.get_sample_count())]);
    for (index, (bound, count)) in rows.enumerate() {
        let labels = labels(metric, Some(&canonical(bound)));
        let _ = write!(text, "{name}_bucket{labels} {count}");
        if let Some(Some(exemplar)) = exemplars.get(index) {
            let (trace, value, at) = (&exemplar.trace_id, exemplar.value, exemplar.at);
            let _ = write!(text, " # {{trace_id=\"{trace}\"}} {value} {at:.3}");
        }
        text.push('\n');
    }
    let (labels, sum) = (labels(metric, None), histogram.get_sample_sum());
    let _ = writeln!(text, "{name}_sum{labels} {sum}");
    let _ = writeln!(
        text,
        "{name}_count{labels} {}",
        histogram.get_sample_count()
    );
}

/// A bound in the canonical form of OpenMetrics: `60.0`, not `60`.
fn canonical(bound: f64) -> String {
    if bound == f64::INFINITY {
        "+Inf".to_owned()
    } else {
        format!("{bound:?}")
    }
}

fn labels(metric: &Metric, bound: Option<&str>) -> String {
    let pairs = metric.get_label().iter();
    let pairs = pairs.map(|pair| (pair.name(), pair.value()));
    let pairs = pairs.chain(bound.map(|bound| ("le", bound)));
    let written: Vec<String> = pairs
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    if written.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", written.join(","))
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
