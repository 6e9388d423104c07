//! What a scenario has measured.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::busy::Processors;
use crate::settings::Settings;

/// CPU time differs so much between two runs, and the kernel counts it in ticks of 10 ms.
pub const CPU_PERCENT: u8 = 35;
pub const CPU_SLACK: Duration = Duration::from_millis(30);

/// In what a figure is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "us")]
    Microseconds,
    #[serde(rename = "MiB")]
    Mebibytes,
    #[serde(rename = "KiB")]
    Kibibytes,
    #[serde(rename = "")]
    Number,
}

impl Unit {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Mebibytes => "MiB",
            Self::Kibibytes => "KiB",
            Self::Number => "",
        }
    }
}

/// How a figure is compared with the committed one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Check {
    /// It depends on how busy the machine is.
    Never,
    /// It is worse if it is more by so many percent.
    NoMore(u8),
    /// It is worse if it is more by so many percent and so much on top.
    NoMoreAndSlack(u8, f64),
    /// It is worse if it differs by so many percent.
    Same(u8),
}

/// One measured number.
#[derive(Debug, Serialize)]
pub struct Figure {
    pub name: String,
    pub value: f64,
    pub unit: Unit,
    /// What the same machine allowed in the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ideal: Option<f64>,
    #[serde(skip)]
    pub check: Check,
}

impl Figure {
    /// What the same machine allowed in the same run, in the same unit.
    pub fn ideal(&mut self, ideal: f64) -> &mut Self {
        self.ideal = Some(ideal);
        self
    }

    pub fn check(&mut self, check: Check) -> &mut Self {
        self.check = check;
        self
    }
}

/// The figures of a scenario.
#[derive(Debug, Serialize)]
pub struct Report {
    pub scenario: String,
    pub services: usize,
    pub latency_ms: f64,
    pub places: usize,
    pub binary: String,
    pub processors: usize,
    pub figures: Vec<Figure>,
}

impl Report {
    /// Without figures.
    pub fn new(scenario: &str, settings: &Settings) -> Self {
        Self {
            scenario: scenario.to_owned(),
            services: settings.services,
            latency_ms: settings.latency.as_secs_f64() * 1e3,
            places: settings.places,
            binary: settings.binary.display().to_string(),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            figures: Vec::new(),
        }
    }

    /// Adds a figure.
    pub fn add(&mut self, name: &str, unit: Unit, value: f64) -> &mut Figure {
        self.figures.push(Figure {
            name: name.to_owned(),
            value,
            unit,
            ideal: None,
            check: Check::Never,
        });
        let last = self.figures.len() - 1;
        &mut self.figures[last]
    }

    /// Adds how busy the machine was.
    pub fn processors(&mut self, used: Processors) {
        let Processors { all, others } = used;
        self.add("processors used", Unit::Number, all);
        self.add("processors used by others", Unit::Number, others);
    }

    /// Adds a time in seconds.
    pub fn seconds(&mut self, name: &str, time: Duration) -> &mut Figure {
        self.add(name, Unit::Seconds, time.as_secs_f64())
    }

    /// Adds a time in milliseconds.
    pub fn milliseconds(&mut self, name: &str, time: Duration) -> &mut Figure {
        self.add(name, Unit::Milliseconds, time.as_secs_f64() * 1e3)
    }

    /// Adds a size in MiB.
    pub fn mebibytes(&mut self, name: &str, bytes: u64) -> &mut Figure {
        self.add(name, Unit::Mebibytes, bytes as f64 / f64::from(1 << 20))
    }

    /// Adds the CPU time of each Service.
    pub fn cpu_per_service(&mut self, cpu: Duration, services: usize) {
        self.cpu_per_service_for("CPU per Service", cpu, services);
    }

    /// The same, by another name.
    pub fn cpu_per_service_for(&mut self, name: &str, cpu: Duration, services: usize) {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3 / services as f64;
        let slack = milliseconds(CPU_SLACK);
        self.add(name, Unit::Milliseconds, milliseconds(cpu))
            .check(Check::NoMoreAndSlack(CPU_PERCENT, slack));
    }

    /// Adds the memory of each Service beyond that of a process without any.
    pub fn memory_per_service(&mut self, resident: u64, empty: u64, services: usize) {
        let bytes = resident.saturating_sub(empty) as f64;
        let each = bytes / 1024.0 / services as f64;
        self.add("resident memory per Service", Unit::Kibibytes, each)
            .check(Check::NoMore(20));
    }

    /// The same at the peak, for which a deployment needs its memory limit.
    pub fn memory_per_service_at_peak(&mut self, peak: u64, empty: u64, services: usize) {
        let bytes = peak.saturating_sub(empty) as f64;
        let each = bytes / 1024.0 / services as f64;
        self.add("most resident memory per Service", Unit::Kibibytes, each)
            .check(Check::NoMore(20));
    }

    /// Adds how often something happened for each Service.
    pub fn per_service(&mut self, name: &str, count: usize, services: usize) -> &mut Figure {
        let each = count as f64 / services as f64;
        self.add(&format!("{name} per Service"), Unit::Number, each)
            .check(Check::NoMore(2))
    }

    /// The names of the scenario and of its size, for files and comparisons.
    pub fn key(&self) -> String {
        format!("{}-{}", self.scenario, self.services)
    }

    /// Writes it as JSON into a directory.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, directory: &Path) -> Result<()> {
        fs::create_dir_all(directory)?;
        let path = directory.join(format!("{}.json", self.key()));
        let json = serde_json::to_vec_pretty(self)?;
        fs::write(&path, json).with_context(|| path.display().to_string())
    }
}
