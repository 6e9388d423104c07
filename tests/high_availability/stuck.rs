//! A leader whose threads are all stuck: no line of the program that needs the runtime runs
//! again. And a leader whose log nobody reads, which must not be stuck.

use std::fs;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::environment::SOON;
use testbed::{Replica, ReplicaOptions, eventually};

use super::cluster::{Cluster, LEASE, candidate, environment};

const PROGRAM: &str = env!("CARGO_BIN_EXE_my-cloud-controller-manager");
const LOG_TO_PIPE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/high_availability/log_to_pipe"
);

/// For the watchdog's last words, and for a busy machine.
const ROOM: Duration = Duration::from_secs(10);

/// The options of a candidate that logs to a pipe, and the pipe.
fn logging_to_pipe(test: &Cluster, name: &str) -> Result<(ReplicaOptions, PipeReader, PipeWriter)> {
    let (unread, log) = std::io::pipe()?;
    let place = format!("/proc/{}/fd/{}", std::process::id(), log.as_raw_fd());
    let mut options = candidate(test, name);
    options.binary = Some(LOG_TO_PIPE.into());
    options
        .env
        .extend([("PROGRAM".into(), PROGRAM.into()), ("LOG".into(), place)]);
    Ok((options, unread, log))
}

async fn until_leader(leader: &Replica) -> Result<()> {
    eventually("it to lead", SOON, async || {
        Ok(leader.leads().await?.then_some(()))
    })
    .await
}

/// Writes to the pipe until it is full, on a thread that ends with the reader.
fn fill(mut log: PipeWriter) {
    std::thread::spawn(move || while log.write_all(&[b'\n'; 4096]).is_ok() {});
}

/// The token file of its cloud becomes one whose reader waits for ever, as on a network file
/// system that is away, and the only thread of the runtime is stuck in it.
#[tokio::test]
async fn a_leader_that_is_stuck_is_ended_by_its_watchdog() -> Result<()> {
    let test = environment("stuck").await?;
    let (mut options, unread, log) = logging_to_pipe(&test, "stuck")?;
    let directory = tempfile::tempdir()?;
    let (token, waits) = (
        directory.path().join("token"),
        directory.path().join("waits"),
    );
    fs::write(&token, "token")?;
    let cloud = format!("{{name: cloud1, tokenFile: {}, ", token.display());
    options.config_yaml = options.config_yaml.replace("{name: cloud1, ", &cloud);
    options
        .env
        .push(("TOKIO_WORKER_THREADS".into(), "1".into()));
    let mut leader = Replica::start(options).await?;
    until_leader(&leader).await?;

    fill(log);
    // So much later than the token that the file has another time.
    ensure!(Command::new("mkfifo").arg(&waits).status()?.success());
    fs::rename(&waits, &token)?;
    test.service("web").provider("cloud1").create().await?;
    let bound = LEASE.renew_deadline + LEASE.retry_period + ROOM;
    let status = leader.wait_exit(bound).await?;
    ensure!(status.code() == Some(1), "{status}");
    drop(unread);
    Ok(())
}

#[tokio::test]
async fn a_log_that_nobody_reads_costs_lines_and_no_leader() -> Result<()> {
    const DROPPED: &str = "mycloud_lb_log_lines_dropped_total";
    let test = environment("unread").await?;
    let (options, mut unread, log) = logging_to_pipe(&test, "unread")?;
    let mut leader = Replica::start(options).await?;
    until_leader(&leader).await?;
    let filler = log.try_clone()?;
    fill(filler);

    let url = format!("{}/debug/log-filter", leader.admin_url());
    let put = async |filter: &'static str| {
        let answer = reqwest::Client::new().put(&url).body(filter).send();
        anyhow::Ok(answer.await?.error_for_status()?)
    };
    put("trace").await?;
    test.service("web").provider("cloud1").create().await?;
    eventually("lines to be dropped", SOON, async || {
        // Each of these is many lines at this level.
        let requests = (0..50).map(|_| leader.metrics());
        futures::future::try_join_all(requests).await?;
        Ok((leader.value(DROPPED).await? > 0.0).then_some(()))
    })
    .await?;
    test.service("later").provider("cloud2").create().await?;
    for name in ["web", "later"] {
        test.until_ready(name).await?;
    }
    ensure!(leader.leads().await?, "it leads");
    ensure!(test.terms()?.len() == 1, "it led all the time");

    // The reader is back. Lines are dropped until it has caught up; the last ones are not.
    const CAUGHT_UP: &str = "caught_up=info";
    const LAST: &str = "shutdown requested";
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || read_on(&mut unread, &[CAUGHT_UP, LAST], &tell));
    eventually("the reader to have caught up", SOON, async || {
        // The filter is named in a line.
        put("info,caught_up=info").await?;
        Ok(told.try_iter().any(|text| text == CAUGHT_UP).then_some(()))
    })
    .await?;
    leader.terminate()?;
    let status = leader.wait_exit(SOON).await?;
    ensure!(status.code() == Some(0), "{status}");
    while told.recv_timeout(SOON)? != LAST {}
    drop(log);
    Ok(())
}

/// Reads on, and tells when one of the texts has come.
fn read_on(log: &mut PipeReader, texts: &[&'static str], tell: &Sender<&'static str>) {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    let longest = texts
        .iter()
        .map(|text| text.len())
        .max()
        .unwrap_or_default();
    while let Ok(size) = log.read(&mut buffer)
        && size > 0
    {
        let letters = buffer[..size].iter().filter(|letter| **letter != b'\n');
        read.extend(letters);
        let lines = String::from_utf8_lossy(&read);
        let found: Vec<_> = texts.iter().filter(|text| lines.contains(**text)).collect();
        for text in &found {
            // The test may have ended.
            let _ = tell.send(text);
        }
        if !found.is_empty() {
            read.clear();
        }
        let excess = read.len().saturating_sub(longest);
        read.drain(..excess);
    }
}
