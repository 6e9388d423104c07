//! The type and the labels of each metric, from `docs/metrics.md`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};

use crate::repository;

/// Labels that Prometheus adds.
const ADDED: [&str; 3] = ["job", "instance", "pod"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Debug)]
pub struct Family {
    pub kind: Type,
    pub labels: BTreeSet<String>,
}

pub struct Families(BTreeMap<String, Family>);

impl Families {
    pub fn read() -> Result<Self> {
        let text = std::fs::read_to_string(repository().join("docs/metrics.md"))?;
        let mut families = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [name, kind, labels, ..] = cells[..] else {
                continue;
            };
            let kind = match kind {
                "counter" => Type::Counter,
                "gauge" => Type::Gauge,
                "histogram" => Type::Histogram,
                other => anyhow::bail!("{name} is a {other}"),
            };
            // "`cloud`; `code`: `200` `429`": the first quoted word of each is the name.
            let labels = labels
                .split(';')
                .filter_map(|label| label.split('`').nth(1));
            let labels = labels.map(str::to_owned).collect();
            families.insert(name.trim_matches('`').to_owned(), Family { kind, labels });
        }
        // The process metrics are not in the table; a name with the suffix _total is a counter.
        for name in text.split('`').filter(|word| is_of_process(word)) {
            let kind = if name.ends_with("_total") {
                Type::Counter
            } else {
                Type::Gauge
            };
            let labels = BTreeSet::new();
            families.insert(name.to_owned(), Family { kind, labels });
        }
        ensure!(families.len() > 50, "{} metrics", families.len());
        Ok(Self(families))
    }

    /// The family of a metric, or of a series of a histogram.
    pub fn of(&self, name: &str) -> Result<&Family> {
        let base = ["_bucket", "_count", "_sum"]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix))
            .filter(|base| {
                self.0
                    .get(*base)
                    .is_some_and(|it| it.kind == Type::Histogram)
            });
        let family = self.0.get(base.unwrap_or(name));
        family.with_context(|| format!("there is no metric {name}"))
    }

    /// Whether its series are counters, including those of a histogram.
    pub fn grows(&self, name: &str) -> Result<bool> {
        Ok(self.of(name)?.kind != Type::Gauge)
    }

    /// Whether its series have this label after a scrape.
    pub fn has_label(&self, name: &str, label: &str) -> Result<bool> {
        let family = self.of(name)?;
        let bucket = label == "le" && name.ends_with("_bucket");
        Ok(bucket || ADDED.contains(&label) || family.labels.contains(label))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn is_of_process(word: &str) -> bool {
    word.starts_with("process_") && !word.contains('*')
}
