//! What the kernel says about a process.

use std::time::Duration;

use anyhow::{Context, Result};

/// The memory and the CPU time of a process.
#[derive(Clone, Copy, Debug)]
pub struct Footprint {
    /// User and system time of all its threads, in ticks of the kernel (10 ms).
    pub cpu: Duration,
    /// Resident memory, in bytes.
    pub resident: u64,
    /// The most that was ever resident, in bytes.
    pub peak: u64,
    /// Resident memory, with shared pages divided by their users, in bytes.
    pub proportional: u64,
    pub threads: u64,
}

impl Footprint {
    /// Of a process, now.
    ///
    /// # Errors
    /// It has ended.
    pub fn of(process: u32) -> Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{process}/{file}");
            std::fs::read_to_string(&path).context(path)
        };
        let (status, rollup) = (read("status")?, read("smaps_rollup")?);
        Ok(Self {
            cpu: cpu_time(process)?,
            resident: kibibytes(&status, "VmRSS:")?,
            peak: kibibytes(&status, "VmHWM:")?,
            proportional: kibibytes(&rollup, "Pss:")?,
            threads: number(&status, "Threads:")?,
        })
    }
}

/// User and system time of a process so far.
///
/// # Errors
/// It has ended.
pub fn cpu_time(process: u32) -> Result<Duration> {
    Ok(cpu_times(process)?[..2].iter().sum())
}

/// User and system time of a process, and of its children that have ended.
///
/// # Errors
/// It has ended.
pub fn cpu_times(process: u32) -> Result<[Duration; 4]> {
    let path = format!("/proc/{process}/stat");
    let stat = std::fs::read_to_string(&path).context(path)?;
    // The name may have blanks and parentheses.
    let (_, fields) = stat.rsplit_once(')').context("the name of a process")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let time = |field: usize| ticks(fields.get(field).copied().unwrap_or_default());
    Ok([time(11)?, time(12)?, time(13)?, time(14)?])
}

/// A time in the kernel's ticks.
///
/// # Errors
/// It is not a number.
pub fn ticks(text: &str) -> Result<Duration> {
    let ticks: u64 = text.parse().with_context(|| format!("ticks: {text:?}"))?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

fn kibibytes(text: &str, field: &str) -> Result<u64> {
    Ok(number(text, field)? * 1024)
}

fn number(text: &str, field: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    Ok(number.context(field.to_owned())?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_footprint() {
        let Footprint {
            cpu,
            resident,
            peak,
            proportional,
            threads,
        } = Footprint::of(std::process::id()).unwrap();
        assert!(cpu < Duration::from_secs(60), "{cpu:?}");
        assert!(proportional > 0 && resident <= peak, "{peak}");
        assert!(resident > 1 << 19 && threads > 0, "{resident}");
    }
}
