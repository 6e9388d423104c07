//! The table of the annotations in `README.md`, from their declarations.

use std::fmt::Write;

use anyhow::{Context, Result};
use my_cloud_controller_manager::plan::annotation::{ALL, About, Needs, WhenAbsent, WhenChanged};

const BEGIN: &str = "<!-- written by make annotations -->\n";
const END: &str = "<!-- end -->\n";

/// The README with the table between its two comments.
pub fn in_readme(readme: &str) -> Result<String> {
    let (before, rest) = readme
        .split_once(BEGIN)
        .context("no comment that begins the table")?;
    let (_, after) = rest
        .split_once(END)
        .context("no comment that ends the table")?;
    Ok(format!("{before}{BEGIN}{}{END}{after}", table()))
}

fn table() -> String {
    let mut table = String::from(
        "| annotation | meaning | value | default | effect of a change | needs of the cloud |\n\
         |---|---|---|---|---|---|\n",
    );
    for about in ALL {
        // Writing to a String cannot fail.
        let _ = writeln!(table, "{}", row(about));
    }
    table
}

fn row(about: &About) -> String {
    let About {
        name,
        help,
        rule,
        example: _,
        when_absent,
        when_changed,
        per_port,
        needs,
    } = about;
    let default = match when_absent {
        WhenAbsent::Invalid => "required".to_owned(),
        WhenAbsent::Value(value) => format!("`{value}`"),
        WhenAbsent::Means(meaning) => (*meaning).to_owned(),
    };
    let effect = match when_changed {
        WhenChanged::Switches => "the load balancers are created or deleted",
        WhenChanged::Moves => {
            "the load balancer moves: the new one is published before the old one is deleted"
        }
        WhenChanged::Updates => "updated in place",
        WhenChanged::Refused => "refused: the load balancer stays as it was created",
        WhenChanged::Pauses => {
            "nothing changes any more, or all that has changed meanwhile is carried out"
        }
        WhenChanged::CountsAtTheEnd => "none before the end",
        WhenChanged::Restored => "none: the controller writes it",
    };
    let needs = match needs {
        Needs::Nothing => String::new(),
        Needs::Value => "the value".to_owned(),
        Needs::Feature(feature) => format!("`{}`", feature.as_str()),
        Needs::FeatureUnlessDefault(feature) => {
            format!("`{}`, unless it is the default", feature.as_str())
        }
    };
    let names = match per_port {
        true => format!("`{name}`, per port too"),
        false => format!("`{name}`"),
    };
    format!("| {names} | {help} | {rule} | {default} | {effect} | {needs} |")
}
