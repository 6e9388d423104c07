//! Registers the families of metrics with name, help, labels and buckets, and each
//! label with its possible values. Series whose label values are known exist from the
//! start, at zero: `rate()` misses the first increment of a series that did not exist.

use prometheus::core::Collector;
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
};

use super::exemplars::{Exemplars, Histograms};
use super::leader_gauges::{LeaderGauges, LeaderOnly};

/// The possible values of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// Exactly these values.
    Of(Vec<String>),
    /// These values from the start, and others of a closed set on first use.
    AndMore(Vec<String>),
    /// The configured clouds.
    Clouds(Vec<String>),
    /// Values of a closed set that are known only on first use.
    AsTheyHappen,
}

/// A label and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub name: &'static str,
    pub values: Values,
}

impl Label {
    /// A label with exactly these values.
    pub(super) fn of(name: &'static str, values: &[&str]) -> Self {
        let values = Values::Of(owned(values));
        Self { name, values }
    }

    /// A label with these values from the start, and others on first use.
    pub(super) fn and_more(name: &'static str, values: &[&str]) -> Self {
        let values = Values::AndMore(owned(values));
        Self { name, values }
    }

    /// A label whose values are known only on first use.
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

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

/// A family as it was registered, for the documentation.
#[derive(Clone, Debug)]
pub struct Described {
    pub name: &'static str,
    pub kind: MetricKind,
    pub help: &'static str,
    pub labels: Vec<Label>,
    /// The upper bounds of the buckets of a histogram.
    pub buckets: &'static [f64],
    /// Whether only the leader exports the family.
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

    /// A gauge that exists only while this replica leads.
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
        Ok(self.leader_only.add(family))
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

/// Calls `create` with every combination of the known values.
fn each(labels: &[Label], create: impl Fn(&[&str])) {
    let mut combinations: Vec<Vec<&str>> = vec![Vec::new()];
    for label in labels {
        combinations = combinations
            .iter()
            .flat_map(|prefix| {
                let values = label.known().iter();
                values.map(|value| [prefix.as_slice(), &[value.as_str()]].concat())
            })
            .collect();
    }
    for values in combinations {
        create(&values);
    }
}
