//! A cluster, a cloud, a Service or a right that is missing: one line and exit code 1.

use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testbed::Environment;

use super::person::{Person, services};

/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:1";

/// Exit code 1 and one line on standard error, with these parts.
#[track_caller]
pub fn ensure_one_complaint(output: &Output, parts: &[&str]) -> Result<()> {
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "{output:?}");
    ensure!(complaint.lines().count() == 1, "{complaint}");
    for part in parts {
        ensure!(complaint.contains(part), "{part}: {complaint}");
    }
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_read_is_named_on_one_line() -> Result<()> {
    let test = Environment::shared("plan-errors").await?;
    let person = Person::reader(&test).await?;
    let namespace = test.namespace.as_str();
    test.service("web")
        .provider("cloud1,cloud2")
        .create()
        .await?;
    let replica = test.sole_replica().await?;
    test.until_ready("web").await?;
    drop(replica);

    let output = person.run(&["-n", namespace, "nobody"]).await?;
    ensure_one_complaint(
        &output,
        &[&format!("Service {namespace}/nobody does not exist")],
    )?;
    let output = person.run(&["-n", namespace, "No/Name"]).await?;
    ensure_one_complaint(&output, &["is not the name of a Service"])?;

    // One cloud does not hide the other.
    let nobody = person.configure(|config| config.replace(&test.cloud2.endpoint(), NOBODY));
    nobody?;
    for arguments in [
        &["-n", namespace, "web", "-o", "json"][..],
        &["--all", "-o", "json"],
    ] {
        let output = person.run(arguments).await?;
        ensure_one_complaint(&output, &["cloud2"])?;
        let services = services(&output)?;
        let web = services
            .iter()
            .find(|one| one["name"] == "web" && one["namespace"] == namespace);
        let clouds = &web.context("web")?["observed"]["clouds"];
        ensure!(clouds["cloud1"]["state"] == "present", "{clouds:#}");
        ensure!(clouds["cloud2"]["state"] == "unreachable", "{clouds:#}");
    }
    person.configure(|config| config)?;

    let lost = person.file("lost", &format!(
        "{{clusters: [{{name: a, cluster: {{server: '{NOBODY}'}}}}], users: [{{name: a, user: {{}}}}], \
         contexts: [{{name: a, context: {{cluster: a, user: a}}}}], current-context: a}}"
    ))?;
    let output = person
        .run_as(Path::new(&lost), &["-n", namespace, "web"], "")
        .await?;
    ensure_one_complaint(&output, &["the API server is unavailable"])?;

    let rules = json!([{"apiGroups": [""], "resources": ["services"], "verbs": ["get"]}]);
    let other = Person::with_rules(&test, "stranger", &rules).await?;
    let output = other.run(&["-n", namespace, "web"]).await?;
    ensure_one_complaint(
        &output,
        &["cannot read the Nodes", "cannot list resource \"nodes\""],
    )?;
    let rules = json!([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]);
    let third = Person::with_rules(&test, "third", &rules).await?;
    let output = third.run(&["--all"]).await?;
    ensure_one_complaint(&output, &["cannot list resource \"services\""])?;
    let output = third.run(&["-n", namespace, "web"]).await?;
    ensure_one_complaint(&output, &["cannot get resource \"services\""])?;
    // The cluster id is not configured: it is the UID of a namespace.
    other.configure(|config| config.replacen(&format!("\"{namespace}\""), "\"\"", 1))?;
    let output = other.run(&["-n", namespace, "web"]).await?;
    ensure_one_complaint(&output, &["cannot get resource \"namespaces\""])?;
    Ok(())
}
