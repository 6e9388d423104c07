//! How a family of metrics is made: its name, help, labels and buckets, each
//! label with the values that it may have. All that is known is there from the
//! start, at zero: `rate()` misses the first increment of a series that did not
//! exist.

use prometheus::core::Collector;
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
};

use super::exemplars::{Exemplars, Histograms};
use super::leader_gauges::{LeaderGauges, LeaderOnly};

/// What values a label may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// These.
    Of(Vec<String>),
    /// These from the start, and others of a closed set as they happen.
    AndMore(Vec<String>),
    /// Each configured cloud.
    Clouds(Vec<String>),
    /// What is only known when it happens; still of a closed set.
    AsTheyHappen,
}

/// A label and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its values.
    pub values: Values,
}

impl Label {
    /// A label with these values only.
    pub(super) fn of(name: &'static str, values: &[&str]) -> Self {
        let values = Values::Of(owned(values));
        Self { name, values }
    }

    /// A label with these values from the start.
    pub(super) fn and_more(name: &'static str, values: &[&str]) -> Self {
        let values = Values::AndMore(owned(values));
        Self { name, values }
    }

    /// A label whose values come as they happen.
    pub(super) fn as_they_happen(name: &'static str) -> Self {
        let values = Values::AsTheyHappen;
        Self { name, values }
    }

    fn known(&self) -> &[String] {
        match &self.values {
            Values::Of(values) | Values::AndMore(values) | Values::Clouds(values) => values,
            Values::AsTheyHappen => &[],
        }
    }
}

fn owned(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// What kind of metric a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets.
    Histogram,
}

/// A family as it was registered, for the documentation.
#[derive(Clone, Debug)]
pub struct Described {
    /// Its full name.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: MetricKind,
    /// What it tells.
    pub help: &'static str,
    /// Its labels.
    pub labels: Vec<Label>,
    /// The upper bounds of a histogram's buckets.
    pub buckets: &'static [f64],
    /// Whether only the leader tells.
    pub leader_only: bool,
}

/// Registers families.
pub(super) struct Registrar<'a> {
    pub(super) registry: &'a Registry,
    pub(super) clouds: Vec<String>,
    pub(super) leader_only: &'a LeaderOnly,
    pub(super) exemplars: &'a Exemplars,
    pub(super) described: Vec<Described>,
}

type Registered<T> = Result<T, prometheus::Error>;

impl Registrar<'_> {
    /// The label `cloud`.
    pub(super) fn cloud(&self) -> Label {
        Label {
            name: "cloud",
            values: Values::Clouds(self.clouds.clone()),
        }
    }

    pub(super) fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Vec<Label>,
    ) -> Registered<IntCounterVec> {
        let family = IntCounterVec::new(Opts::new(name, help), &names(&labels))?;
        each(&labels, |values| drop(family.with_label_values(values)));
        self.add(family.clone(), name, help, labels, MetricKind::Counter, &[])?;
        Ok(family)
    }

    /// A gauge of whole numbers.
    pub(super) fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Vec<Label>,
    ) -> Registered<IntGaugeVec> {
        let family = IntGaugeVec::new(Opts::new(name, help), &names(&labels))?;
        each(&labels, |values| drop(family.with_label_values(values)));
        self.add(family.clone(), name, help, labels, MetricKind::Gauge, &[])?;
        Ok(family)
    }

    /// A gauge of seconds.
    pub(super) fn seconds(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Vec<Label>,
    ) -> Registered<GaugeVec> {
        let family = GaugeVec::new(Opts::new(name, help), &names(&labels))?;
        each(&labels, |values| drop(family.with_label_values(values)));
        self.add(family.clone(), name, help, labels, MetricKind::Gauge, &[])?;
        Ok(family)
    }

    /// A gauge that is there only while this replica leads.
    pub(super) fn leader_gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Vec<Label>,
    ) -> Registered<LeaderGauges> {
        let family = GaugeVec::new(Opts::new(name, help), &names(&labels))?;
        self.add(family.clone(), name, help, labels, MetricKind::Gauge, &[])?;
        if let Some(described) = self.described.last_mut() {
            described.leader_only = true;
        }
        Ok(self.leader_only.keep(family))
    }

    pub(super) fn histogram(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Vec<Label>,
        buckets: &'static [f64],
    ) -> Registered<Histograms> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let family = HistogramVec::new(options, &names(&labels))?;
        each(&labels, |values| drop(family.with_label_values(values)));
        let histograms = Histograms::new(
            name,
            family.clone(),
            &names(&labels),
            buckets,
            self.exemplars,
        );
        self.add(family, name, help, labels, MetricKind::Histogram, buckets)?;
        Ok(histograms)
    }

    fn add(
        &mut self,
        family: impl Collector + 'static,
        name: &'static str,
        help: &'static str,
        labels: Vec<Label>,
        kind: MetricKind,
        buckets: &'static [f64],
    ) -> Registered<()> {
        self.registry.register(Box::new(family))?;
        self.described.push(Described {
            name,
            kind,
            help,
            labels,
            buckets,
            leader_only: false,
        });
        Ok(())
    }
}

fn names(labels: &[Label]) -> Vec<&'static str> {
    labels.iter().map(|label| label.name).collect()
}

/// Calls with every combination of the known values.
fn each(labels: &[Label], touch: impl Fn(&[&str])) {
    let mut combinations: Vec<Vec<&str>> = vec![Vec::new()];
    for label in labels {
        combinations = combinations
            .iter()
            .flat_map(|begun| {
                let values = label.known().iter();
                values.map(|value| [begun.as_slice(), &[value.as_str()]].concat())
            })
            .collect();
    }
    for values in combinations {
        touch(&values);
    }
}
