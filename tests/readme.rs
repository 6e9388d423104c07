//! The tables of the README are complete: each annotation, field, flag, reason
//! and Event of the code has its row, with its default, and no row has anything
//! else, and a test names each of them. [`translation`]: the Chinese README contains the same facts.

mod readme {
    pub mod links;
    pub mod markdown;
    pub mod named;
    pub mod translation;
}

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use clap::{Arg, CommandFactory};
use my_cloud_controller_manager::args::Args;
use my_cloud_controller_manager::config::{self, Config};
use my_cloud_controller_manager::kubernetes::MetadataKeys;
use my_cloud_controller_manager::kubernetes::condition::ConditionReason;
use my_cloud_controller_manager::kubernetes::events::EventReason;
use my_cloud_controller_manager::kubernetes::service::view;
use my_cloud_controller_manager::kubernetes::service_object::Service;
use my_cloud_controller_manager::plan::Capabilities;
use my_cloud_controller_manager::plan::annotation::{self, WhenAbsent, WhenChanged};
use my_cloud_controller_manager::plan::capabilities::Feature;
use my_cloud_controller_manager::plan::naming::{CloudName, ClusterId};
use my_cloud_controller_manager::plan::service::ServiceView;
use my_cloud_controller_manager::plan::{Clouds, Desired, desired};
use strum::{IntoEnumIterator, VariantNames};

use readme::markdown::{Document, code_in};

const ENGLISH: &str = "README.md";

#[test]
fn each_annotation_has_its_row() -> Result<()> {
    complete(
        "annotation",
        &annotation::ALL.map(|about| about.name.to_owned()),
    )
}

/// An annotation whose change does not simply take place at the load balancer that exists.
#[test]
fn each_annotation_that_cannot_be_changed_in_place_has_its_row() -> Result<()> {
    let english = Document::read(ENGLISH)?;
    let rows = english.rows("changed")?;
    for about in annotation::ALL {
        let says = match about.when_changed {
            WhenChanged::Refused => "refused",
            WhenChanged::Moves => "replaced",
            _ => continue,
        };
        let row = rows
            .iter()
            .find(|row| code_in(&row[0]).contains(&about.name));
        let row = row.with_context(|| format!("no row for {}", about.name))?;
        ensure!(row[1].starts_with(says), "{row:?}");
    }
    Ok(())
}

/// The manifest on the first screen, with and without the defaults of the declarations.
#[test]
fn the_defaults_of_the_annotations_are_those_of_the_code() -> Result<()> {
    let english = Document::read(ENGLISH)?;
    let manifest = english.code[0]
        .lines()
        .skip(1)
        .take_while(|line| *line != "```");
    let manifest = manifest.collect::<Vec<_>>().join("\n");
    let mut service: Service = serde_saphyr::from_str(&manifest)?;
    service.metadata.namespace = Some("default".into());
    service.metadata.uid = Some("uid".into());
    let mut view = view(&service, &MetadataKeys::new("mycloud.com")).context("a Service")?;
    for port in &mut view.ports {
        port.node_port = Some(30080);
    }
    let can = Capabilities {
        features: Feature::ALL.into(),
        ..Capabilities::standard()
    };
    let clouds = Clouds::from([(CloudName::new("cloud1"), can)]);
    let desired = |view: &ServiceView| desired(view, &ClusterId::new("cluster"), &clouds);
    ensure!(
        matches!(desired(&view), Desired::Managed(_)),
        "{:?}",
        desired(&view)
    );

    let defaults = annotation::ALL.map(|about| match about.when_absent {
        WhenAbsent::Value(default) => Some((about.name, default)),
        WhenAbsent::Invalid | WhenAbsent::Means(_) => None,
    });
    // One that exists is not asked to be public by a Service that does not mention `internal`.
    let defaults = defaults.into_iter().flatten();
    let defaults: Vec<(&str, &str)> = defaults.filter(|(name, _)| *name != "internal").collect();
    for (name, _) in &defaults {
        view.annotations.remove(*name);
    }
    let without = desired(&view);
    let written = defaults
        .iter()
        .map(|&(name, default)| (name.to_owned(), default.to_owned()));
    view.annotations.extend(written);
    ensure!(desired(&view) == without, "{defaults:?}");
    Ok(())
}

#[test]
fn each_reason_of_the_condition_has_its_row() -> Result<()> {
    let reasons: Vec<String> = ConditionReason::VARIANTS
        .iter()
        .map(|&name| name.into())
        .collect();
    complete("reason", &reasons)
}

#[test]
fn each_event_has_its_row_and_type() -> Result<()> {
    let name = |event: EventReason| <&str>::from(event).to_owned();
    complete("Event", &EventReason::iter().map(name).collect::<Vec<_>>())?;
    let english = Document::read(ENGLISH)?;
    for event in EventReason::iter() {
        let (name, kind) = (name(event), format!("{:?}", event.kind()));
        let rows = english.rows("Event")?.iter();
        let row = rows.clone().find(|row| code_in(&row[0]) == [&name]);
        ensure!(
            code_in(&row.context("a row")?[1]) == [&kind],
            "{name} is of the type {kind}"
        );
    }
    Ok(())
}

#[test]
fn each_field_has_its_row() -> Result<()> {
    complete("field", &config::field_names().collect::<Vec<_>>())
}

/// Written into a file, the defaults of the table mean the same as no file.
#[test]
fn the_defaults_of_the_fields_are_those_of_the_code() -> Result<()> {
    let english = Document::read(ENGLISH)?;
    let mut fields = Vec::new();
    for row in english.rows("field")? {
        fields.push((code_in(&row[0])[0], code_in(&row[1])));
    }
    // Without an item, none of its fields has a default.
    fields.retain(|(name, _)| {
        !name.starts_with("loadBalancerClasses[]") && !name.starts_with("existingLoadBalancers[]")
    });
    let (of_clouds, of_file): (Vec<_>, Vec<_>) = fields
        .into_iter()
        .partition(|(name, _)| name.starts_with("clouds"));
    let mut yaml = String::new();
    for (name, default) in of_file {
        yaml += &format!("{name}: {}\n", default[0]);
    }
    yaml += "clouds:\n";
    for cloud in &of_clouds[0].1 {
        yaml += &format!("- name: {cloud}\n");
        for (name, default) in &of_clouds[2..] {
            let name = name.trim_start_matches("clouds[].");
            yaml += &format!("  {name}: {}\n", default[0].replace("NAME", cloud));
        }
    }
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(&file, &yaml)?;
    let with_file = Args {
        config: Some(file.path().to_owned()),
        ..Args::default()
    };
    let written = Config::load(&with_file).with_context(|| yaml.clone())?;
    ensure!(written == Config::load(&Args::default())?, "{yaml}");
    Ok(())
}

#[test]
fn each_flag_has_its_row_and_default() -> Result<()> {
    let command = Args::command();
    let names: Vec<String> = command.get_arguments().flat_map(names_of).collect();
    complete("flag", &names)?;
    let english = Document::read(ENGLISH)?;
    for flag in command.get_arguments() {
        let (names, help) = (names_of(flag), flag.get_help().map(ToString::to_string));
        let help = help.unwrap_or_default();
        let Some((_, default)) = help.split_once("[default: ") else {
            continue;
        };
        let default = default.split([' ', ']']).next().unwrap_or_default();
        let row = english
            .rows("flag")?
            .iter()
            .find(|row| code_in(&row[0]).contains(&&*names[0]));
        let cell = &row.context("a row")?[1];
        let told = code_in(cell).first().copied().unwrap_or("nowhere");
        ensure!(
            told == default,
            "{names:?}: {cell:?}, but --help has {default}"
        );
    }
    Ok(())
}

/// `--long` and `-s`.
fn names_of(flag: &Arg) -> Vec<String> {
    let short = flag.get_short().map(|letter| format!("-{letter}"));
    let long = flag.get_long().map(|name| format!("--{name}"));
    short.into_iter().chain(long).collect()
}

/// Whether the table's first column has these names, each once, and no other.
fn complete(header: &str, names: &[String]) -> Result<()> {
    let english = Document::read(ENGLISH)?;
    let rows = english.rows(header)?.iter();
    let listed: Vec<&str> = rows.flat_map(|row| code_in(&row[0])).collect();
    let (table, code): (BTreeSet<&str>, BTreeSet<&str>) = (
        listed.iter().copied().collect(),
        names.iter().map(String::as_str).collect(),
    );
    let missing: Vec<_> = code.difference(&table).collect();
    let unknown: Vec<_> = table.difference(&code).collect();
    ensure!(missing.is_empty(), "{ENGLISH} has no row for {missing:?}");
    ensure!(
        unknown.is_empty(),
        "{ENGLISH} has rows that the code does not know: {unknown:?}"
    );
    ensure!(
        listed.len() == table.len(),
        "{ENGLISH}: a row is there twice: {listed:?}"
    );
    Ok(())
}
