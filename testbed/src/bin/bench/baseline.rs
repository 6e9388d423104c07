//! The committed figures, and what has become worse since.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::report::{Check, Figure, Report};
use crate::table::number;

/// Less than this, in the unit of the figure, is no difference: of a count that was zero.
const NOTHING: f64 = 0.005;

/// Figures that do not depend on how busy the machine is, by scenario and size.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Baseline(BTreeMap<String, BTreeMap<String, f64>>);

/// A figure that has become worse, or that has nothing to be compared with.
#[derive(Debug, PartialEq)]
pub struct Worse {
    key: String,
    name: String,
    was: Option<f64>,
    is: f64,
}

impl Baseline {
    /// The committed one; empty if there is none yet.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn load(path: &Path) -> Result<Self> {
        let name = || path.display().to_string();
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(name),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(name),
        }
    }

    /// Replaces the committed one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut json = serde_json::to_string_pretty(self)?;
        json.push('\n');
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(path, json).with_context(|| path.display().to_string())
    }

    /// Takes the figures of a report in place of the committed ones.
    pub fn take(&mut self, report: &Report) {
        let compared = report
            .figures
            .iter()
            .filter(|one| one.check != Check::Never);
        // Three digits are enough, and make the file readable.
        let rounded = compared.map(|one| (one.name.clone(), (one.value * 1e3).round() / 1e3));
        let figures: BTreeMap<String, f64> = rounded.collect();
        if !figures.is_empty() {
            self.0.insert(report.key(), figures);
        }
    }

    /// What is worse than the committed figures.
    pub fn compare(&self, report: &Report) -> Vec<Worse> {
        let key = report.key();
        let before = self.0.get(&key);
        let worse = |one: &&Figure| {
            let was = before.and_then(|figures| figures.get(&one.name)).copied();
            one.check != Check::Never && was.is_none_or(|was| is_worse(one, was))
        };
        let found = report.figures.iter().filter(worse);
        found
            .map(|one| Worse {
                key: key.clone(),
                name: one.name.clone(),
                was: before.and_then(|figures| figures.get(&one.name)).copied(),
                is: one.value,
            })
            .collect()
    }
}

fn is_worse(figure: &Figure, was: f64) -> bool {
    let more = figure.value - was;
    let allowed = |percent: u8| was * f64::from(percent) / 100.0 + NOTHING;
    match figure.check {
        Check::Never => false,
        Check::NoMoreAndSlack(percent, slack) => more > allowed(percent) + slack,
        Check::NoMore(percent) => more > allowed(percent),
        Check::Same(percent) => more.abs() > allowed(percent),
    }
}

impl fmt::Display for Worse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, name, was, is } = self;
        match was {
            Some(was) => {
                let percent = (is / was - 1.0) * 100.0;
                let (was, is) = (number(*was), number(*is));
                write!(
                    formatter,
                    "{key}: {name} was {was}, is {is} ({percent:+.0} %)"
                )
            }
            None => write!(
                formatter,
                "{key}: {name} is {}, and there is no committed figure: `make bench-baseline`",
                number(*is)
            ),
        }
    }
}

/// Prints what has become worse.
pub fn print(worse: &[Worse]) {
    if worse.is_empty() {
        println!("No figure is worse than in benchmarks/baseline.json.");
    }
    for one in worse {
        println!("WORSE  {one}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::Unit;
    use crate::settings::Settings;

    fn report(calls: f64, events: f64) -> Report {
        let settings = Settings {
            services: 10,
            latency: Duration::from_millis(50),
            places: 16,
            rest: Duration::ZERO,
            binary: "a".into(),
        };
        let mut report = Report::new("delete", &settings);
        let add = |report: &mut Report, name: &str, value, check| {
            report.add(name, Unit::Number, value).check(check);
        };
        add(&mut report, "calls", calls, Check::NoMore(10));
        add(&mut report, "Events", events, Check::Same(10));
        report.seconds("time", Duration::from_secs(1));
        report
    }

    #[test]
    fn only_what_is_worse_is_found() {
        let mut baseline = Baseline::default();
        baseline.take(&report(3.0, 2.0));
        assert_eq!(baseline.0["delete-10"].len(), 2, "no times");
        let names = |calls, events| -> Vec<String> {
            let worse = baseline.compare(&report(calls, events));
            worse.into_iter().map(|one| one.name).collect()
        };
        assert!(names(3.2, 2.1).is_empty());
        assert!(names(1.0, 2.0).is_empty(), "fewer calls are better");
        assert_eq!(names(3.4, 2.0), ["calls"]);
        assert_eq!(names(3.0, 1.5), ["Events"], "some were lost");
    }

    #[test]
    fn a_figure_without_a_committed_one_is_named() {
        let worse = Baseline::default().compare(&report(3.0, 2.0));
        assert_eq!(worse.len(), 2);
        assert!(worse[0].to_string().contains("make bench-baseline"));
    }
}
