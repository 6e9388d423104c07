//! The program at its outermost edge: its output for a wrong command line or
//! configuration file, and its exit code.
#![allow(
    clippy::expect_used,
    reason = "clippy knows tests, but not the functions beside them"
)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_my-cloud-controller-manager"))
        .args(arguments)
        .env_remove("RUST_LOG")
        .output()
        .expect("the program to start")
}

fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).expect("a file for the test");
    path.display().to_string()
}

/// Exit status 2, nothing on standard output, and these lines on standard error.
#[track_caller]
fn assert_refused(arguments: &[&str], expected: &[String]) {
    let output = run(arguments);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = complaint.lines().collect();
    assert_eq!(lines, expected);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

#[test]
fn each_error_in_flags_and_file_is_one_line() {
    let path = file(
        "wrong.yaml",
        "annotationPrefix: k8s.io\nclouds:\n- name: cloud1\n- name: cloud1\n  endpoint: ftp://x\n",
    );
    let arguments = [
        "--config",
        &path,
        "--controllers=route",
        "--v=eleven",
        "--leader-elect-lease-duration=10s",
    ];
    assert_refused(
        &arguments,
        &[
            "--controllers: found \"route\": it must be service or *: the service controller is the only one here".to_owned(),
            "--leader-elect-lease-duration: found \"10s\": it must be longer than --leader-elect-renew-deadline (10s)".to_owned(),
            "--v: found \"eleven\": it must be a whole number from 0 to 10".to_owned(),
            format!("{path}:1: annotationPrefix: found \"k8s.io\": it must be a domain of your own: Kubernetes keeps kubernetes.io and k8s.io for itself"),
            format!("{path}:4: clouds[1].name: found \"cloud1\": it must differ from clouds[0].name"),
            format!("{path}:5: clouds[1].endpoint: found \"ftp://x\": it must be an http or https URL without path, query or user"),
        ],
    );
}

#[test]
fn an_unknown_flag_is_refused_by_name() {
    let output = run(&["--leader-elct"]);
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("--leader-elct"), "{complaint}");
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    let place = "--config: found \"/nowhere.yaml\"";
    let rule = "it must be a YAML file that can be read (No such file or directory (os error 2))";
    for arguments in [
        &["check-config", "/nowhere.yaml"][..],
        &["--config=/nowhere.yaml"],
    ] {
        assert_refused(arguments, &[format!("{place}: {rule}")]);
    }
}

#[test]
fn check_config_prints_the_errors_of_a_file() {
    let path = file("one-error.yaml", "sweepInterval: 5 minutes\n");
    assert_refused(
        &["check-config", &path],
        &[format!(
            "{path}:1: sweepInterval: found \"5 minutes\": it must be a duration such as 15s, 1m30s or 250ms, from 100ms to 168h"
        )],
    );
}

#[test]
fn check_config_prints_the_clouds_of_a_valid_file() {
    let path = file(
        "good.yaml",
        "clouds:\n- name: east\n  endpoint: https://lb.east:8443\n- name: cloud2\n",
    );
    let output = run(&["check-config", &path]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!(
            "{path}: no errors\neast: https://lb.east:8443/\ncloud2: http://cloud2-api:8080/\n"
        )
    );
}

#[test]
fn plan_asks_for_exactly_one_kind_of_services() {
    for arguments in [
        &["plan"][..],
        &["plan", "web", "--all"],
        &["plan", "web", "-f", "web.yaml"],
        &["plan", "--all", "-n", "default"],
        &["plan", "web", "-o", "yaml"],
    ] {
        let output = run(arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {complaint}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    let help = run(&["plan", "--help"]);
    let text = String::from_utf8_lossy(&help.stdout);
    assert!(
        text.contains("the check before an upgrade or a new configuration"),
        "{text}"
    );
    assert!(
        text.contains("3  with --all: a load balancer would be deleted"),
        "{text}"
    );
    let path = file("plan.yaml", "clouds: []\n");
    let place = format!("{path}:1: clouds");
    let output = run(&["plan", "--all", "--config", &path]);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains(&place), "{complaint}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn version_and_help_succeed() {
    let version = run(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    let text = String::from_utf8_lossy(&version.stdout);
    assert!(text.starts_with("my-cloud-controller-manager 0."), "{text}");
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("--leader-elect-lease-duration"));
}
