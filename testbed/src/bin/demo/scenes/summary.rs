//! What held, and how long things took.

use anyhow::{Result, ensure};

use crate::guarantees::judge;
use crate::stage::{Stage, seconds};
use crate::world::World;

/// # Errors
/// A guarantee did not hold.
pub async fn play(stage: &mut Stage, world: &mut World) -> Result<()> {
    stage.open("What held");
    let verdicts = judge(stage, world).await?;
    let rows: Vec<_> = verdicts
        .iter()
        .map(|verdict| {
            let held = if verdict.held { "yes" } else { "no" };
            [
                verdict.guarantee.to_owned(),
                held.to_owned(),
                verdict.because.clone(),
            ]
        })
        .collect();
    stage.table(["GUARANTEE", "HELD", "LOOKED AT"], &rows);
    stage.line("Not played here: \"isolated\" (a hanging cloud delays only its own Services);");
    stage.line("`make test` has it.");
    let rows: Vec<_> = world
        .facts
        .measured
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
    let broken: Vec<_> = verdicts.iter().filter(|verdict| !verdict.held).collect();
    let names: Vec<_> = broken.iter().map(|verdict| verdict.guarantee).collect();
    ensure!(broken.is_empty(), "did not hold: {}", names.join(", "));
    stage.close();
    stage.line(&format!(
        "All of it happened, in {}.",
        seconds(stage.elapsed())
    ));
    Ok(())
}
