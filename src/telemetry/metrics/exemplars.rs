//! Exemplars: the last trace of each bucket of a histogram. The prometheus crate has no
//! exemplars, so this module keeps them; there are never more exemplars than buckets.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use prometheus::HistogramVec;

use crate::telemetry::traces;

/// One observation with its trace.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Exemplar {
    pub(super) trace_id: String,
    pub(super) value: f64,
    /// Seconds since 1970.
    pub(super) at: f64,
}

/// A family, with the label values in the order of the label names.
type Key = (&'static str, Vec<String>);
type Buckets = Vec<Option<Exemplar>>;

/// The exemplars of all histograms.
#[derive(Clone, Default)]
pub(super) struct Exemplars(Arc<Mutex<HashMap<Key, Buckets>>>);

impl Exemplars {
    /// The exemplars of one series: one entry for each bucket, and the last entry for
    /// the values above all bounds.
    pub(super) fn of(&self, family: &str, values: &[&str]) -> Buckets {
        let series = self.0.lock();
        let matches = |key: &Key| key.0 == family && key.1 == values;
        let found = series.iter().find(|(key, _)| matches(key));
        found
            .map(|(_, buckets)| buckets.clone())
            .unwrap_or_default()
    }

    fn put(&self, key: Key, bounds: &[f64], exemplar: Exemplar) {
        let last = bounds.len();
        let bucket = bounds.iter().position(|bound| exemplar.value <= *bound);
        let mut series = self.0.lock();
        let buckets = series.entry(key).or_insert_with(|| vec![None; last + 1]);
        buckets[bucket.unwrap_or(last)] = Some(exemplar);
    }
}

/// A family of histograms with exemplars.
pub(super) struct Histograms {
    name: &'static str,
    family: HistogramVec,
    /// The positions of the labels, in the order of their names.
    order: Vec<usize>,
    bounds: &'static [f64],
    exemplars: Exemplars,
}

impl Histograms {
    pub(super) fn new(
        name: &'static str,
        family: HistogramVec,
        labels: &[&str],
        bounds: &'static [f64],
        exemplars: &Exemplars,
    ) -> Self {
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by_key(|index| labels[*index]);
        Self {
            name,
            family,
            order,
            bounds,
            exemplars: exemplars.clone(),
        }
    }

    /// Observes a value, with the active trace as exemplar if that trace is exported.
    pub(super) fn observe(&self, labels: &[&str], value: f64) {
        self.family.with_label_values(labels).observe(value);
        let Some(span) = traces::active().filter(|span| span.is_sampled()) else {
            return;
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let values = self.order.iter().map(|index| labels[*index].to_owned());
        let exemplar = Exemplar {
            trace_id: span.trace_id().to_string(),
            value,
            at: now.map_or(0.0, |since| since.as_secs_f64()),
        };
        self.exemplars
            .put((self.name, values.collect()), self.bounds, exemplar);
    }
}
