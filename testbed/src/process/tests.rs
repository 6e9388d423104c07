use std::os::unix::process::ExitStatusExt;

use super::*;

const SOON: Duration = Duration::from_secs(10);

fn shell<'a>(script: &str, log: &'a Path) -> Program<'a> {
    Program {
        name: "a shell",
        path: Path::new("/bin/sh"),
        arguments: vec!["-c".into(), script.into()],
        environment: vec![("WORD".into(), "hello".into())],
        output: Output::Log(log),
        remove: None,
    }
}

#[tokio::test]
async fn the_exit_status_and_the_log_are_those_of_the_program() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let mut process = Process::spawn(shell("echo $WORD; exit 3", &log)).unwrap();
    assert_eq!(process.wait_exit(SOON).await.unwrap().code(), Some(3));
    let message = process.check_running().unwrap_err().to_string();
    assert!(message.contains("exit status: 3"), "{message}");
    assert!(message.ends_with("hello"), "{message}");
    assert!(process.signal(Signal::TERM).is_err());
}

#[tokio::test]
async fn a_signal_reaches_the_program_itself() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let mut process = Process::spawn(shell("echo up; exec sleep 60", &log)).unwrap();
    eventually("the program", SOON, async || {
        Ok(fs::read_to_string(&log)?.contains("up").then_some(()))
    })
    .await
    .unwrap();
    process.signal(Signal::TERM).unwrap();
    let status = process.wait_exit(SOON).await.unwrap();
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
}

#[tokio::test]
async fn a_closed_lifeline_kills_the_program_and_removes_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let kept = directory.path().join("kept");
    let removed = directory.path().join("removed");
    fs::create_dir(&removed).unwrap();
    let mut program = shell("exec sleep 60", &kept);
    program.remove = Some(&removed);
    let mut process = Process::spawn(program).unwrap();
    // What the kernel does when this process is killed.
    let (_, other) = std::io::pipe().unwrap();
    drop(std::mem::replace(&mut process.lifeline, other));
    let status = process.wait_exit(SOON).await.unwrap();
    assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
    eventually("the directory to go", SOON, async || {
        Ok((!removed.exists()).then_some(()))
    })
    .await
    .unwrap();
    assert!(kept.exists());
}
