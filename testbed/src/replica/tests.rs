use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use super::*;

/// A program in the place of the real one, which has tests of its own.
fn stand_in(directory: &Path, script: &str) -> ReplicaOptions {
    let (source, binary) = (directory.join("source"), directory.join("program"));
    std::fs::write(&source, format!("#!/bin/sh\n{script}\n")).unwrap();
    // Were it written by us, a child of another test, just forked, could hold it open for
    // writing, and a file that is open for writing cannot be executed.
    let mut install = Command::new("install");
    install.args(["-m", "755"]).args([&source, &binary]);
    assert!(install.status().unwrap().success());
    let mut options = ReplicaOptions::new("replica-a", &directory.join("kubeconfig"));
    options.binary = Some(binary);
    options.config_yaml = "clusterId: blue".to_owned();
    options
}

#[tokio::test]
async fn one_that_ends_at_once_is_reported_with_its_log() {
    let directory = tempfile::tempdir().unwrap();
    let options = stand_in(
        directory.path(),
        r#"echo "$POD_NAME: $*"; cat "$2"; exit 2"#,
    );
    let message = format!("{:#}", Replica::start(options).await.unwrap_err());
    for part in [
        "ended with exit status: 2",
        "replica-a: --config ",
        "--leader-elect-retry-period 2000ms",
        "clusterId: blue",
    ] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[tokio::test]
async fn one_that_hangs_is_reported_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let mut replica = Replica::launch(stand_in(directory.path(), "exec sleep 60")).unwrap();
    let error = replica.wait_ready(Duration::from_millis(50)).await;
    let message = format!("{:#}", error.unwrap_err());
    assert!(
        message.contains("waited 50ms for the replica to be ready"),
        "{message}"
    );
    replica.stop().unwrap();
    replica.kill();
    let status = replica.wait_exit(Duration::from_secs(5)).await.unwrap();
    assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
}

#[test]
fn its_directory_goes_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let replica = Replica::launch(stand_in(directory.path(), "exec sleep 60")).unwrap();
    let log = replica.log_path().to_owned();
    assert!(log.exists());
    drop(replica);
    assert!(!log.exists());
}
