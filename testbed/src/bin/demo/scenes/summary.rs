//! What held, and how long things took.

use anyhow::{Result, ensure};

use crate::demo::Demo;
use crate::guarantees::{check, evidence};
use crate::stage::{Stage, seconds};

/// # Errors
/// A guarantee did not hold.
pub async fn play(stage: &mut Stage, demo: &mut Demo) -> Result<()> {
    stage.open("What held");
    let violations = check(stage, demo).await?;
    let rows = evidence(demo).await?.map(|(guarantee, evidence)| {
        let mut violations = violations
            .iter()
            .filter(|found| found.guarantee == guarantee);
        let (held, text) = match violations.next() {
            None => ("yes", evidence),
            Some(first) => ("no", first.observation.clone()),
        };
        [guarantee.to_string(), held.to_owned(), text]
    });
    stage.table(["GUARANTEE", "HELD", "LOOKED AT"], &rows);
    stage.line("Not played here: \"isolated\" (a hanging cloud delays only its own Services);");
    stage.line("`make test` has it.");
    let rows: Vec<_> = demo
        .measurements
        .iter()
        .map(|measured| {
            let within = if measured.took <= measured.aim {
                "yes"
            } else {
                "slow machine?"
            };
            [
                measured.what.clone(),
                seconds(measured.took),
                seconds(measured.aim),
                within.to_owned(),
            ]
        })
        .collect();
    stage.table(["TIME", "MEASURED", "AIM", "WITHIN"], &rows);
    let observations: Vec<String> = violations.iter().map(ToString::to_string).collect();
    ensure!(
        violations.is_empty(),
        "guarantees did not hold:\n{}",
        observations.join("\n")
    );
    stage.close();
    stage.line(&format!(
        "All of it happened, in {}.",
        seconds(stage.elapsed())
    ));
    Ok(())
}
