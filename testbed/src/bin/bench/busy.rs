//! How busy the machine is, and how much of it by processes that are not part of the
//! measurement.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::footprint::{cpu_times, ticks};

/// From when on it is measured.
pub struct Busy {
    /// Of the measurement, beside this one and its children that have ended.
    processes: Vec<u32>,
    since: Instant,
    machine: Duration,
    ours: Duration,
}

/// Processors in use, on average.
#[derive(Clone, Copy)]
pub struct Processors {
    /// By everything. When it is the number of processors, they are the limit.
    pub all: f64,
    /// By what is not part of the measurement.
    pub others: f64,
}

impl Busy {
    /// From now on, with these processes as part of the measurement.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn begin(processes: Vec<u32>) -> Result<Self> {
        Ok(Self {
            ours: ours(&processes)?,
            processes,
            since: Instant::now(),
            machine: of_the_machine()?,
        })
    }

    /// Ends the measurement.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn processors(&self) -> Result<Processors> {
        let machine = of_the_machine()?.saturating_sub(self.machine);
        let others = machine.saturating_sub(ours(&self.processes)?.saturating_sub(self.ours));
        let elapsed = self.since.elapsed().as_secs_f64();
        Ok(Processors {
            all: machine.as_secs_f64() / elapsed,
            others: others.as_secs_f64() / elapsed,
        })
    }
}

/// This process and its children that have ended, and the others.
fn ours(processes: &[u32]) -> Result<Duration> {
    let mut ours: Duration = cpu_times(std::process::id())?.iter().sum();
    for process in processes {
        // One that has ended is among our children.
        let times = cpu_times(*process).unwrap_or_default();
        ours += times.iter().sum::<Duration>();
    }
    Ok(ours)
}

/// What all processors have done, without idleness and waits for disks.
fn of_the_machine() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat")?;
    let fields: Vec<&str> = line.split_whitespace().skip(1).collect();
    // user, nice, system, irq, softirq, steal
    let busy = [0, 1, 2, 5, 6, 7].into_iter();
    busy.filter_map(|field| fields.get(field).copied())
        .map(ticks)
        .sum()
}
