//! A leader whose threads are all stuck, as by a reader of its log that reads
//! no more: no line of the program that needs the runtime runs again.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::environment::SOON;
use testbed::{Replica, eventually};

use super::cluster::{LEASE, candidate, environment};

const PROGRAM: &str = env!("CARGO_BIN_EXE_my-cloud-controller-manager");
const LOG_TO_PIPE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/high_availability/log_to_pipe"
);

/// For the watchdog's last words, and for a busy machine.
const ROOM: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_leader_that_is_stuck_is_ended_by_its_watchdog() -> Result<()> {
    let test = environment("stuck").await?;
    let (unread, mut log) = std::io::pipe()?;
    let place = format!("/proc/{}/fd/{}", std::process::id(), log.as_raw_fd());
    let mut options = candidate(&test, "stuck");
    options.binary = Some(LOG_TO_PIPE.into());
    options
        .env
        .extend([("PROGRAM".into(), PROGRAM.into()), ("LOG".into(), place)]);
    let mut leader = Replica::start(options).await?;
    eventually("it to lead", SOON, async || {
        Ok(leader.leads().await?.then_some(()))
    })
    .await?;

    // At this level each renewal logs, whichever thread it is on; and the next
    // line of a thread is its last once ours have filled the pipe.
    let url = format!("{}/debug/log-filter", leader.admin_url());
    let more = reqwest::Client::new().put(url).body("trace").send();
    // It may be stuck before it answers, but it must have been asked.
    let _ = tokio::time::timeout(ROOM, more).await;
    std::thread::spawn(move || while log.write_all(&[b'\n'; 4096]).is_ok() {});

    let bound = LEASE.renew_deadline + LEASE.retry_period + ROOM;
    let status = leader.wait_exit(bound).await?;
    ensure!(status.code() == Some(1), "{status}");
    drop(unread);
    Ok(())
}
