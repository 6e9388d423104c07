//! The command `plan`, for a Service in sync, for an edit that is not applied, and for all.

use anyhow::{Result, ensure};

use super::examples::OURS;
use super::local::SERVICE;
use crate::demo::Demo;
use crate::services;
use crate::stage::Stage;

/// The bandwidth in the example, and another one.
const BANDWIDTH: [&str; 2] = ["lb-bandwidth: 10M", "lb-bandwidth: 20M"];

/// # Errors
/// A plan is not as expected, or a Service would lose anything.
pub async fn play(stage: &mut Stage, demo: &mut Demo) -> Result<()> {
    stage.open("The command plan shows what would be done, and why");
    show(stage, demo, &["-n", "default", SERVICE], "it is in sync").await?;
    let name = OURS[0];
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("edited.yaml");
    let example = services::example(&format!("{name}.yaml"))?;
    std::fs::write(&file, example.replace(BANDWIDTH[0], BANDWIDTH[1]))?;
    let file = file.display().to_string();
    show(stage, demo, &["-f", &file], "bandwidth: 10M -> 20M").await?;
    // Fails with exit code 3 if a Service would lose anything.
    show(stage, demo, &["--all"], "(0 would lose something)").await
}

async fn show(stage: &Stage, demo: &Demo, arguments: &[&str], expected: &str) -> Result<()> {
    stage.line(&format!(
        "$ my-cloud-controller-manager plan {}",
        arguments.join(" ")
    ));
    let command = [&["plan"], arguments].concat();
    let text = demo.environment.command(&command).await?;
    for line in text.lines() {
        stage.line(line);
    }
    ensure!(
        text.contains(expected),
        "the plan does not say {expected:?}"
    );
    Ok(())
}
