//! The command `plan` and `/debug/plan`: what would be done for a Service, and why nothing
//! is, on a real control plane, with rights that only read.

mod plan_command {
    mod capabilities;
    pub mod out_of_reach;
    pub mod person;
    mod replicas;
}

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use serde_json::{Value, json};
use testbed::Environment;
use testbed::cloud::Verb;
use testbed::environment::addresses;

use plan_command::out_of_reach::ensure_one_complaint;
use plan_command::person::{Person, actions, services, state};

#[tokio::test]
async fn a_plan_has_the_actions_or_the_reason_why_there_are_none() -> Result<()> {
    let test = Environment::shared("plan").await?;
    let person = Person::reader(&test).await?;
    test.service("web").provider("cloud1").create().await?;
    let fresh = person.plan("web").await?;
    ensure!(
        actions(&fresh) == ["addFinalizer", "create", "publish"],
        "{fresh:#}"
    );
    ensure!(
        fresh["desired"]["clouds"]["cloud1"].is_object(),
        "{fresh:#}"
    );
    ensure!(
        test.cloud1.events().is_empty(),
        "nothing can be there: no call"
    );

    test.service("gone").provider("cloud2").create().await?;
    let replica = test.sole_replica().await?;
    let web = test.until_ready("web").await?;
    test.until_ready("gone").await?;
    drop(replica);

    // Nobody reconciles from here on.
    let class = json!("example.com/other");
    let foreign = test
        .service("foreign")
        .provider("cloud1")
        .field("loadBalancerClass", class);
    foreign.create().await?;
    let invalid = test
        .service("invalid")
        .provider("cloud1")
        .ours("lb-bandwidth", "fast");
    invalid.create().await?;
    test.delete("gone").await?;
    let before = state(&test).await?;

    let in_sync = person.plan("web").await?;
    let (id, _) = test.record(&web).context("a record")?;
    let message = format!("Load balancer {id} on cloud1 is ready");
    ensure!(
        in_sync["verdict"] == "inSync" && in_sync["message"] == message,
        "{in_sync:#}"
    );
    ensure!(
        actions(&in_sync).is_empty() && in_sync["differences"] == json!([]),
        "{in_sync:#}"
    );
    ensure!(
        in_sync["observed"]["clouds"]["cloud1"]["loadBalancer"]["id"] == id,
        "{in_sync:#}"
    );
    ensure!(
        in_sync["observed"]["condition"]["reason"] == "Ready",
        "{in_sync:#}"
    );
    let text = person.text("web").await?;
    ensure!(
        text.contains("/web: nothing to do: it is in sync\n"),
        "{text}"
    );

    let foreign = person.plan("foreign").await?;
    ensure!(
        foreign["desired"] == json!({"state": "unmanaged", "reason": "ForeignClass"}),
        "{foreign:#}"
    );
    let message = foreign["message"].as_str().unwrap_or_default();
    ensure!(
        message.starts_with("spec.loadBalancerClass is \"example.com/other\""),
        "{foreign:#}"
    );

    let invalid = person.plan("invalid").await?;
    ensure!(
        invalid["verdict"] == "invalid" && actions(&invalid).is_empty(),
        "{invalid:#}"
    );
    let message = invalid["message"].as_str().unwrap_or_default();
    ensure!(
        message.contains("lb-bandwidth is \"fast\": it must be"),
        "{invalid:#}"
    );

    let gone = person.plan("gone").await?;
    let expected = ["confirmLive", "delete", "confirmGone", "removeFinalizer"];
    ensure!(actions(&gone) == expected, "{gone:#}");
    ensure!(gone["losses"][0]["lost"] == "loadBalancer", "{gone:#}");

    ensure!(state(&test).await? == before, "a plan changed something");
    test.annotate("web", &[("lb-bandwidth", Some("20M"))])
        .await?;
    let edited = person.plan("web").await?;
    let difference =
        json!([{"cloud": "cloud1", "id": id, "field": "bandwidth", "from": "5M", "to": "20M"}]);
    ensure!(edited["differences"] == difference, "{edited:#}");
    ensure!(
        actions(&edited) == ["confirmLive", "update", "publish"],
        "{edited:#}"
    );
    ensure!(edited["losses"] == json!([]), "{edited:#}");
    ensure!(!person.wrote()?, "a plan tried to write");
    Ok(())
}

#[tokio::test]
async fn the_controller_then_does_what_the_plan_said() -> Result<()> {
    let test = Environment::shared("plan-kept").await?;
    let person = Person::reader(&test).await?;
    test.service("web")
        .provider("cloud1")
        .ours("lb-bandwidth", "10M")
        .create()
        .await?;
    let planned = person.plan("web").await?;
    let _replica = test.sole_replica().await?;
    test.until_ready("web").await?;
    let request = &test.cloud1.mutations()[0].request;
    let spec = &planned["desired"]["clouds"]["cloud1"];
    ensure!(planned["actions"][1]["action"] == "create", "{planned:#}");
    for field in ["bandwidth", "spec", "algorithm", "nodes", "listeners"] {
        ensure!(
            spec[field] == request[field],
            "{field}: {spec:#} and {request:#}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_manifest_is_planned_before_it_is_applied() -> Result<()> {
    let test = Environment::shared("plan-manifest").await?;
    let person = Person::reader(&test).await?;
    let made = test.service("web").provider("cloud1").create().await?;
    let replica = test.sole_replica().await?;
    test.until_ready("web").await?;
    drop(replica);
    let before = state(&test).await?;
    let (namespace, prefix) = (&test.namespace, &test.prefix);
    let manifest = |name: &str, bandwidth: &str| {
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": namespace, "annotations": {
                format!("{prefix}/enable"): "true", format!("{prefix}/provider"): "cloud1",
                format!("{prefix}/lb-bandwidth"): bandwidth}},
            "spec": {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]},
        })
    };
    let documents = format!(
        "{}\n---\n{}\n",
        manifest("new", "10M"),
        manifest("web", "20M")
    );
    let file = person.file("services.yaml", &documents)?;
    let output = person.run(&["-f", &file, "-o", "json"]).await?;
    ensure!(output.status.code() == Some(0), "{output:?}");
    let found = services(&output)?;
    let (new, web) = (&found[0], &found[1]);
    ensure!(
        actions(new) == ["addFinalizer", "create", "publish"],
        "{new:#}"
    );
    ensure!(new["uid"].is_null(), "{new:#}");
    let listener = &new["desired"]["clouds"]["cloud1"]["listeners"][0];
    ensure!(
        listener["nodePort"].is_null() && listener["port"] == 80,
        "{new:#}"
    );
    // The edit is the only difference: node port, record and finalizer are the cluster's.
    ensure!(web["uid"] == json!(made.uid()), "{web:#}");
    ensure!(
        actions(web) == ["confirmLive", "update", "publish"],
        "{web:#}"
    );
    let differences = web["differences"].as_array().map_or(0, Vec::len);
    ensure!(
        differences == 1 && web["differences"][0]["field"] == "bandwidth",
        "{web:#}"
    );

    let list = json!({"apiVersion": "v1", "kind": "List", "items": [manifest("web", "5M")]});
    let output = person
        .run_with_input(&["-f", "-"], &list.to_string())
        .await?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        text.contains("/web: nothing to do: it is in sync"),
        "{output:?}"
    );

    let output = person
        .run_with_input(&["-f", "-"], "kind: ConfigMap\n")
        .await?;
    ensure_one_complaint(&output, &["contains no Service"])?;
    ensure!(state(&test).await? == before, "a plan changed something");
    ensure!(!person.wrote()?, "a plan tried to write");
    Ok(())
}

/// The plan of a manifest is that of the Service once the manifest is applied.
#[tokio::test]
async fn a_manifest_is_planned_as_the_api_server_applies_it() -> Result<()> {
    let test = Environment::shared("plan-applied").await?;
    let person = Person::reader(&test).await?;
    let (namespace, prefix) = (&test.namespace, &test.prefix);
    let manifest = |ours: &[(&str, &str)], fields: Value| {
        let ours = ours.iter();
        let ours: Value = ours
            .map(|(name, value)| (format!("{prefix}/{name}"), json!(value)))
            .collect();
        let mut manifest = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "web", "namespace": namespace, "annotations": ours},
            "spec": {"type": "LoadBalancer", "ports": [
                {"name": "http", "port": 80, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}]},
        });
        for (name, value) in fields.as_object().into_iter().flatten() {
            manifest["spec"][name] = value.clone();
        }
        manifest.to_string()
    };
    let on = [("enable", "true"), ("provider", "cloud1")];
    let large = [on[0], on[1], ("lb-spec", "large")];
    let ranges = json!({"loadBalancerSourceRanges": ["192.0.2.0/24"]});
    test.control_plane.apply(&manifest(&large, ranges)).await?;
    let replica = test.sole_replica().await?;
    test.until_ready("web").await?;
    drop(replica);
    // By another hand than the manifest's, which does not take it away.
    test.annotate("web", &[("algorithm", Some("source-hash"))])
        .await?;
    let ports = json!({"ports": [{"name": "www", "port": 80, "protocol": "TCP"}]});
    let next = manifest(&on, ports);
    let output = person
        .run_with_input(&["-f", "-", "-o", "json"], &next)
        .await?;
    let planned = services(&output)?.remove(0);
    test.control_plane.apply(&next).await?;
    let applied = person.plan("web").await?;
    for field in ["desired", "differences", "actions", "verdict", "uid"] {
        ensure!(
            planned[field] == applied[field],
            "{field}: {planned:#} and {applied:#}"
        );
    }
    let fields = planned["differences"].as_array().into_iter().flatten();
    let fields: Vec<&str> = fields.filter_map(|one| one["field"].as_str()).collect();
    let expected = [
        "algorithm",
        "listeners[80/TCP].name",
        "listeners",
        "sourceRanges",
        "spec",
    ];
    ensure!(fields == expected, "{planned:#}");
    Ok(())
}

#[tokio::test]
async fn the_check_before_an_upgrade_fails_exactly_if_something_would_be_lost() -> Result<()> {
    let test = Environment::shared("plan-all").await?;
    let person = Person::reader(&test).await?;
    test.service("one").provider("cloud1").create().await?;
    test.service("two").provider("cloud2").create().await?;
    let replica = test.sole_replica().await?;
    test.until_ready("one").await?;
    let two = test.until_ready("two").await?;
    drop(replica);
    let before = state(&test).await?;
    let last = test.cloud2.last_sequence();
    let output = person.run(&["--all"]).await?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.code() == Some(0), "{output:?}");
    ensure!(
        text.contains(" 0 would be changed (0 would lose something), 2 in sync"),
        "{text}"
    );
    let asked = test.cloud2.events_after(last);
    ensure!(
        asked.iter().all(|call| call.verb == Verb::List),
        "{asked:?}"
    );

    // Another cluster id: nothing at the clouds is ours any more.
    person.configure(|config| {
        config.replacen(&format!("\"{}\"", test.namespace), "\"another\"", 1)
    })?;
    let output = person.run(&["--all"]).await?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.code() == Some(3), "{output:?}");
    let address = &addresses(&two)[0];
    let loss = format!(
        "LOSS  {}/two: address {address} would leave the Service\n",
        test.namespace
    );
    ensure!(text.contains(&loss), "{text}");

    person.configure(|config| config)?;
    test.annotate("two", &[("enable", Some("false"))]).await?;
    let output = person.run(&["--all", "-o", "json"]).await?;
    ensure!(output.status.code() == Some(3), "{output:?}");
    let lossy = services(&output)?;
    let lossy: Vec<&Value> = lossy
        .iter()
        .filter(|one| one["losses"] != json!([]))
        .collect();
    let lossy: Vec<&Value> = lossy
        .into_iter()
        .filter(|one| one["losses"].is_array())
        .collect();
    ensure!(lossy.len() == 1 && lossy[0]["name"] == "two", "{lossy:#?}");
    ensure!(
        state(&test).await?.1 == before.1,
        "a plan changed something at a cloud"
    );
    ensure!(!person.wrote()?, "a plan tried to write");
    Ok(())
}
