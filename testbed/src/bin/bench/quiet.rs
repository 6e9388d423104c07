//! When a process has done what there was to do.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::time::sleep;

use crate::footprint::{Footprint, cpu_time};
use crate::progress::Progress;

/// A process that uses at most this much of one processor is idle: a leader renews its
/// Lease all the time.
const IDLE_SHARE: f64 = 0.02;
/// As many looks in a row must find it idle.
const LOOKS: usize = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// The longest that a process may be busy after what was waited for.
const DEADLINE: Duration = Duration::from_secs(120);

/// The end of the work of a process.
pub struct Quiet {
    /// When it began to be idle.
    pub since: Instant,
    pub footprint: Footprint,
}

/// Waits until a process is idle for two and a half seconds.
///
/// # Errors
/// It has ended, or stays busy.
pub async fn until_quiet(process: u32) -> Result<Quiet> {
    let _progress = Progress::new("waiting for the replica to be idle", 0);
    let started = Instant::now();
    let most = BETWEEN_LOOKS.mul_f64(IDLE_SHARE);
    let (mut before, mut idle, mut since) = (cpu_time(process)?, 0, Instant::now());
    while idle < LOOKS {
        ensure!(started.elapsed() < DEADLINE, "it stays busy");
        sleep(BETWEEN_LOOKS).await;
        let now = cpu_time(process)?;
        if now - before <= most {
            idle += 1;
        } else {
            (idle, since) = (0, Instant::now());
        }
        before = now;
    }
    Ok(Quiet {
        since,
        footprint: Footprint::of(process)?,
    })
}
