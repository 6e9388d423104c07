//! What cannot be carried out as written is explained, and nothing is done
//! until it is corrected.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::Environment;
use testbed::environment::{addresses, calls};

/// A mistake, and its mending as a merge patch.
struct Mistake {
    name: &'static str,
    annotations: &'static [(&'static str, &'static str)],
    spec: Value,
    /// What the message has: the subject, the value, the rule, an example.
    says: &'static [&'static str],
    correction: Correction,
}

enum Correction {
    Annotation(&'static str, &'static str),
    Spec(Value),
}

fn mistakes() -> Vec<Mistake> {
    let annotation = |name, annotations, says, corrected: (&'static str, &'static str)| Mistake {
        name,
        annotations,
        spec: json!({}),
        says,
        correction: Correction::Annotation(corrected.0, corrected.1),
    };
    vec![
        annotation(
            "provider-missing",
            &[],
            &[
                "/provider is missing",
                "cloud1, cloud2",
                "for example \"cloud1\"",
            ],
            ("provider", "cloud1"),
        ),
        annotation(
            "provider-unknown",
            &[("provider", "cloud9")],
            &[
                "/provider is \"cloud9\"",
                "cloud1, cloud2",
                "for example \"cloud1\"",
            ],
            ("provider", "cloud1"),
        ),
        annotation(
            "provider-one-unknown",
            &[("provider", "cloud1,cloud9")],
            &["/provider is \"cloud1,cloud9\"", "cloud1, cloud2"],
            ("provider", "cloud1"),
        ),
        annotation(
            "bandwidth",
            &[("provider", "cloud1"), ("lb-bandwidth", "fast")],
            &[
                "/lb-bandwidth is \"fast\"",
                "'K', 'M' or 'G'",
                "for example \"10M\"",
            ],
            ("lb-bandwidth", "10M"),
        ),
        annotation(
            "bandwidth-empty",
            &[("provider", "cloud1"), ("lb-bandwidth", "")],
            &[
                "/lb-bandwidth is \"\":",
                "'K', 'M' or 'G'",
                "for example \"10M\"",
            ],
            ("lb-bandwidth", "10M"),
        ),
        annotation(
            "spec",
            &[("provider", "cloud1"), ("lb-spec", "very large")],
            &[
                "/lb-spec is \"very large\"",
                "letters, digits",
                "for example \"standard\"",
            ],
            ("lb-spec", "standard"),
        ),
        annotation(
            "algorithm",
            &[("provider", "cloud1"), ("algorithm", "random")],
            &[
                "/algorithm is \"random\"",
                "least-connections",
                "for example \"round-robin\"",
            ],
            ("algorithm", "source-hash"),
        ),
        Mistake {
            name: "no-node-ports",
            annotations: &[("provider", "cloud1")],
            spec: json!({"allocateLoadBalancerNodePorts": false}),
            says: &[
                "spec.ports[0].nodePort is missing",
                "allocateLoadBalancerNodePorts: false",
            ],
            correction: Correction::Spec(json!({"allocateLoadBalancerNodePorts": true})),
        },
    ]
}

#[tokio::test]
async fn each_mistake_is_explained_costs_no_call_and_is_mended_by_an_edit() -> Result<()> {
    let test = Environment::shared("mistakes").await?;
    let _replica = test.sole_replica().await?;
    let mistakes = mistakes();
    for mistake in &mistakes {
        let mut service = test.service(mistake.name);
        for (name, value) in mistake.annotations {
            service = service.ours(name, value);
        }
        for (name, value) in mistake.spec.as_object().into_iter().flatten() {
            service = service.field(name, value.clone());
        }
        service.create().await?;
    }
    for mistake in &mistakes {
        let message = test
            .until_reason(mistake.name, "InvalidConfiguration")
            .await?;
        let note = test
            .until_event(mistake.name, "InvalidConfiguration")
            .await?;
        for part in mistake.says {
            ensure!(
                message.contains(part),
                "{}: {message:?} lacks {part:?}",
                mistake.name
            );
        }
        ensure!(note == message, "{}: {note} and {message}", mistake.name);
        let service = test.get(mistake.name).await?;
        let (status, _, _) = test.condition(&service).context("a condition")?;
        ensure!(status == "False" && addresses(&service).is_empty());
    }
    for cloud in [&test.cloud1, &test.cloud2] {
        ensure!(calls(cloud).is_empty(), "{:?}", calls(cloud));
    }

    for mistake in &mistakes {
        match &mistake.correction {
            Correction::Annotation(name, value) => {
                test.annotate(mistake.name, &[(name, Some(value))]).await?;
            }
            Correction::Spec(spec) => {
                test.edit(mistake.name, json!({ "spec": spec })).await?;
            }
        }
    }
    for mistake in &mistakes {
        test.until_ready(mistake.name).await?;
        let events = test.events(mistake.name, "InvalidConfiguration").await?;
        ensure!(events.len() == 1, "emitted once: {events:?}");
    }
    ensure!(test.cloud1.inventory().len() == mistakes.len());
    Ok(())
}

#[tokio::test]
async fn several_mistakes_are_named_at_once() -> Result<()> {
    let test = Environment::shared("several").await?;
    let _replica = test.sole_replica().await?;
    test.service("web")
        .provider("cloud9")
        .ours("lb-bandwidth", "fast")
        .create()
        .await?;
    let message = test.until_reason("web", "InvalidConfiguration").await?;
    ensure!(
        message.contains("cloud9") && message.contains("fast"),
        "{message}"
    );
    Ok(())
}

#[tokio::test]
async fn a_load_balancer_stays_as_it_is_while_its_service_is_wrong() -> Result<()> {
    let test = Environment::shared("stays").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    let before = test.until_ready("web").await?;
    let made = test.cloud1.inventory();

    test.annotate("web", &[("lb-bandwidth", Some("fast"))])
        .await?;
    test.until_reason("web", "InvalidConfiguration").await?;
    // A listener at another port waits like all that is asked for, other than the node port of
    // one that is there. The provider cannot be read at all.
    let ports = json!([{"name": "http", "port": 8080, "protocol": "TCP"}]);
    test.edit("web", json!({"spec": {"ports": ports}})).await?;
    test.annotate("web", &[("provider", Some(""))]).await?;
    let both = |service: &_| {
        let (_, _, message) = test.condition(service).unwrap_or_default();
        message.contains("/provider") && message.contains("fast")
    };
    let wrong = test.until("web", "both mistakes to be named", both).await?;
    ensure!(
        addresses(&wrong) == addresses(&before),
        "{:?}",
        addresses(&wrong)
    );
    ensure!(test.record(&wrong) == test.record(&before));
    ensure!(
        test.cloud1.inventory() == made,
        "{:?}",
        test.cloud1.inventory()
    );
    ensure!(test.cloud1.mutations().len() == 1, "only the create");

    let corrected = [("lb-bandwidth", Some("10M")), ("provider", Some("cloud1"))];
    test.annotate("web", &corrected).await?;
    let after = test.until_ready("web").await?;
    ensure!(addresses(&after) == addresses(&before), "the address stays");
    let settings = &test.cloud1.inventory()[0].settings;
    ensure!(settings.bandwidth == "10M" && settings.listeners[0].port == 8080);
    ensure!(
        test.cloud1.mutations().len() == 2,
        "one update for all of it"
    );
    Ok(())
}

#[tokio::test]
async fn a_service_that_is_wrong_can_be_deleted() -> Result<()> {
    let test = Environment::shared("wrong-deleted").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    test.annotate("web", &[("provider", Some("cloud9"))])
        .await?;
    test.until_reason("web", "InvalidConfiguration").await?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(
        test.cloud1.inventory().is_empty(),
        "{:?}",
        test.cloud1.inventory()
    );
    Ok(())
}

#[tokio::test]
async fn a_wrong_service_that_is_disabled_is_rid_of_our_condition() -> Result<()> {
    let test = Environment::shared("wrong-disabled").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud9").create().await?;
    test.until_reason("web", "InvalidConfiguration").await?;
    test.annotate("web", &[("enable", None)]).await?;
    let is_clean = |service: &_| test.ensure_unmarked(service).is_ok();
    test.until("web", "our marks to be gone", is_clean).await?;
    ensure!(calls(&test.cloud1).is_empty() && calls(&test.cloud2).is_empty());
    Ok(())
}

/// A typing error in the switch is no "off".
#[tokio::test]
async fn only_a_plain_no_takes_a_load_balancer_away() -> Result<()> {
    let test = Environment::shared("switch").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    let before = test.until_ready("web").await?;
    let made = test.cloud1.inventory();
    for value in ["True", "true ", "true\n", "1", "ture", ""] {
        test.annotate("web", &[("enable", Some(value))]).await?;
        let named = format!("/enable is {value:?}");
        let is_named = |service: &_| {
            let (_, reason, message) = test.condition(service).unwrap_or_default();
            reason == "InvalidConfiguration" && message.contains(&named)
        };
        let wrong = test.until("web", "the value to be named", is_named).await?;
        ensure!(addresses(&wrong) == addresses(&before), "{value:?}");
        ensure!(test.record(&wrong) == test.record(&before), "{value:?}");
    }
    test.annotate("web", &[("enable", Some("true"))]).await?;
    test.until_ready("web").await?;
    ensure!(
        test.cloud1.inventory() == made,
        "{:?}",
        test.cloud1.inventory()
    );
    ensure!(test.cloud1.mutations().len() == 1, "only the create");

    test.annotate("web", &[("enable", Some("No"))]).await?;
    let is_let_go = |service: &_| test.ensure_unmarked(service).is_ok();
    test.until("web", "our marks to be gone", is_let_go).await?;
    ensure!(test.cloud1.inventory().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_near_miss_on_a_service_that_is_not_ours_is_an_event_and_nothing_else() -> Result<()> {
    let test = Environment::shared("near-miss").await?;
    let _replica = test.sole_replica().await?;
    let created = test
        .service("web")
        .provider("cloud1")
        .ours("enable", "True");
    let created = created.create().await?;
    let note = test.until_event("web", "InvalidConfiguration").await?;
    ensure!(
        note.contains("/enable is \"True\"") && note.contains("\"true\""),
        "{note}"
    );
    test.service("barrier").provider("cloud2").create().await?;
    test.until_ready("barrier").await?;
    let after = test.get("web").await?;
    ensure!(after.metadata.resource_version == created.metadata.resource_version);
    ensure!(calls(&test.cloud1).is_empty(), "{:?}", calls(&test.cloud1));
    ensure!(test.events("web", "InvalidConfiguration").await?.len() == 1);

    test.annotate("web", &[("enable", Some("true"))]).await?;
    test.until_ready("web").await?;
    Ok(())
}

#[tokio::test]
async fn a_huge_value_is_repeated_short_and_escaped() -> Result<()> {
    let test = Environment::shared("huge").await?;
    let replica = test.sole_replica().await?;
    let log_before = std::fs::read_to_string(replica.log_path())?.len();
    // Beyond what one Service may have, the rule is about all of its annotations.
    let too_large = "\u{1}".repeat(200_000);
    test.service("large").provider(&too_large).create().await?;
    let message = test.until_reason("large", "InvalidConfiguration").await?;
    ensure!(message.len() <= 1024, "{} bytes", message.len());
    ensure!(message.contains("at most 65536 bytes"), "{message}");
    let provider = "\u{1}".repeat(60_000);
    test.service("web").provider(&provider).create().await?;
    let message = test.until_reason("web", "InvalidConfiguration").await?;
    ensure!(message.len() <= 1024, "{} bytes", message.len());
    ensure!(message.contains("(60000 bytes)"), "{message}");
    let note = test.until_event("web", "InvalidConfiguration").await?;
    ensure!(note == message, "{note}");
    // A record that nobody of us wrote names a cloud, with a line for the log in it.
    let forged = format!("cloud9\nFORGED {}", "x".repeat(10_000));
    let record = [("lb-id", Some("lb-1")), ("lb-cloud", Some(&*forged))];
    test.annotate("web", &record).await?;
    test.annotate("web", &[("provider", Some("cloud1"))])
        .await?;
    test.until_ready("web").await?;
    let log = std::fs::read_to_string(replica.log_path())?;
    ensure!(!log.contains("\nFORGED"), "a line was forged");
    ensure!(
        log.len() - log_before < 20_000,
        "{} bytes of log",
        log.len() - log_before
    );
    Ok(())
}

#[tokio::test]
async fn many_unknown_annotations_are_one_event_and_no_lines() -> Result<()> {
    const UNKNOWN: usize = 2_000;
    let test = Environment::shared("unknown").await?;
    let replica = test.sole_replica().await?;
    let series = |level: &str| format!("mycloud_lb_log_events_total{{level=\"{level}\"}}");
    let dropped = "mycloud_lb_events_dropped_total{reason=\"service_full\"}";
    let mut service = test.service("web").provider("cloud1");
    for number in 0..UNKNOWN {
        service = service.ours(&format!("u{number}"), "");
    }
    service.create().await?;
    test.until_ready("web").await?;
    let note = test.until_event("web", "UnknownAnnotation").await?;
    ensure!(
        note.contains(&format!(" and {} more", UNKNOWN - 3)),
        "{note}"
    );
    for turn in 0..5 {
        let value = format!("{turn}");
        test.annotate("web", &[("u0", Some(&value))]).await?;
    }
    test.service("barrier").provider("cloud2").create().await?;
    test.until_ready("barrier").await?;
    let notes = test.events("web", "UnknownAnnotation").await?;
    ensure!(notes.len() == 1, "{} Events", notes.len());
    ensure!(replica.value(dropped).await? == 0.0);
    let log = std::fs::read_to_string(replica.log_path())?;
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).collect();
    // A conflict or two may be among them.
    ensure!(
        replica.value(&series("warn")).await? <= 5.0,
        "{warnings:#?}"
    );
    ensure!(replica.value(&series("info")).await? <= 40.0);
    Ok(())
}

#[tokio::test]
async fn an_unknown_annotation_finds_its_nearest() -> Result<()> {
    let test = Environment::shared("nearest").await?;
    let _replica = test.sole_replica().await?;
    test.service("harmless")
        .provider("cloud1")
        .ours("lb-bandwith", "10M")
        .create()
        .await?;
    test.until_ready("harmless").await?;
    let note = test.until_event("harmless", "UnknownAnnotation").await?;
    let prefix = &test.prefix;
    ensure!(note.contains(&format!("{prefix}/lb-bandwith")), "{note}");
    ensure!(note.ends_with(&format!("{prefix}/lb-bandwidth")), "{note}");
    ensure!(
        test.cloud1.inventory()[0].settings.bandwidth == "5M",
        "the default"
    );

    // The slip that stops a Service is the one that most needs the hint.
    test.service("stopped")
        .ours("providr", "cloud1")
        .create()
        .await?;
    test.until_reason("stopped", "InvalidConfiguration").await?;
    let note = test.until_event("stopped", "UnknownAnnotation").await?;
    ensure!(note.ends_with(&format!("{prefix}/provider")), "{note}");
    Ok(())
}
