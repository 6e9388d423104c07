//! The metrics `process_*`, read from `/proc` at each scrape. The collector of the
//! prometheus crate counts CPU time in whole seconds, too coarse for an idle program.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};

/// Clock ticks per second in `/proc`: `USER_HZ`, 100 on every Linux that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// One reading of `/proc` for this process.
#[derive(Debug, Default, PartialEq)]
struct ProcessSample {
    cpu_seconds: f64,
    resident_bytes: f64,
    virtual_bytes: f64,
    open_files: f64,
    max_files: f64,
    start_seconds: f64,
    threads: f64,
}

impl ProcessSample {
    /// Reads `/proc`; `None` on other systems than Linux, or if `/proc` is hidden.
    fn take() -> Option<Self> {
        let read = |path| fs::read_to_string(path).ok();
        Self::parse(
            &read("/proc/self/stat")?,
            &read("/proc/self/status")?,
            &read("/proc/self/limits")?,
            &read("/proc/stat")?,
            fs::read_dir("/proc/self/fd").ok()?.count(),
        )
    }

    fn parse(
        stat: &str,
        status: &str,
        limits: &str,
        boot: &str,
        open_files: usize,
    ) -> Option<Self> {
        // The program's name is in parentheses and may hold anything; the
        // fields after it start with number 3 of proc(5).
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / TICKS_PER_SECOND,
            threads: field(20)?,
            start_seconds: word_after(boot, "btime")? + field(22)? / TICKS_PER_SECOND,
            resident_bytes: word_after(status, "VmRSS:")? * 1024.0,
            virtual_bytes: word_after(status, "VmSize:")? * 1024.0,
            // "unlimited" is not a number; it is exported as 0.
            max_files: word_after(limits, "Max open files").unwrap_or(0.0),
            open_files: open_files as f64,
        })
    }
}

/// The first word after `key` on the line that starts with it, as a number.
fn word_after(text: &str, key: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Selects the value of a gauge.
type Pick = fn(&ProcessSample) -> f64;

/// The collector of `process_*`.
pub struct Process {
    cpu_seconds: Counter,
    gauges: [(Gauge, Pick); 6],
}

impl Process {
    pub fn new() -> Result<Self, prometheus::Error> {
        Ok(Self {
            cpu_seconds: Counter::new(
                "process_cpu_seconds_total",
                "User and system CPU time in seconds.",
            )?,
            gauges: [
                (
                    Gauge::new("process_resident_memory_bytes", "Resident memory in bytes.")?,
                    |reading| reading.resident_bytes,
                ),
                (
                    Gauge::new("process_virtual_memory_bytes", "Virtual memory in bytes.")?,
                    |reading| reading.virtual_bytes,
                ),
                (
                    Gauge::new("process_open_fds", "Open file descriptors.")?,
                    |reading| reading.open_files,
                ),
                (
                    Gauge::new(
                        "process_max_fds",
                        "Maximum number of open file descriptors.",
                    )?,
                    |reading| reading.max_files,
                ),
                (
                    Gauge::new(
                        "process_start_time_seconds",
                        "Start time of the process in seconds since 1970.",
                    )?,
                    |reading| reading.start_seconds,
                ),
                (
                    Gauge::new(
                        "process_threads",
                        "Operating system threads of the process.",
                    )?,
                    |reading| reading.threads,
                ),
            ],
        })
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        let gauges = self.gauges.iter().flat_map(|(gauge, _)| gauge.desc());
        self.cpu_seconds.desc().into_iter().chain(gauges).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Some(reading) = ProcessSample::take() else {
            return Vec::new();
        };
        let increase = reading.cpu_seconds - self.cpu_seconds.get();
        if increase > 0.0 {
            self.cpu_seconds.inc_by(increase);
        }
        let mut families = self.cpu_seconds.collect();
        for (gauge, value) in &self.gauges {
            gauge.set(value(&reading));
            families.extend(gauge.collect());
        }
        families
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_proc_even_with_a_hostile_program_name() {
        let stat = "42 (a b) R 1) S 1 42 42 0 -1 4194560 900 0 0 0 150 50 0 0 20 0 7 0 123456 9 9";
        let status = "Name:\tx\nVmSize:\t  2000 kB\nVmRSS:\t  1000 kB\n";
        let limits =
            "Limit  Soft  Hard  Units\nMax open files            1024     524288   files\n";
        let reading = ProcessSample::parse(stat, status, limits, "cpu 1 2\nbtime 1000\n", 9);
        let expected = ProcessSample {
            cpu_seconds: 2.0,
            resident_bytes: 1_024_000.0,
            virtual_bytes: 2_048_000.0,
            open_files: 9.0,
            max_files: 1024.0,
            start_seconds: 2234.56,
            threads: 7.0,
        };
        assert_eq!(reading, Some(expected));
    }

    #[test]
    fn without_proc_there_is_nothing_to_read() {
        assert_eq!(ProcessSample::parse("", "", "", "", 0), None);
    }
}
