//! What a cloud cannot do is told before any call, and counts as soon as it changes.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use testbed::cloud::{
    Capabilities, CloudSimulator, Fault, FaultKind, Limits, LoadBalancer, Profile, Protocol, Spec,
    Verb,
};
use testbed::environment::{SOON, addresses, calls};
use testbed::nodes::create_node;
use testbed::{Environment, Replica, eventually};

/// Clouds are asked, and drift is looked for, five times a second.
const QUICK: &str = "sweepInterval: 200ms\ndriftInterval: 200ms";

fn tcp_only() -> Capabilities {
    Capabilities {
        protocols: Some(vec![Protocol::Tcp]),
        ..Capabilities::all()
    }
}

fn udp() -> serde_json::Value {
    json!([{"name": "dns", "port": 53, "protocol": "UDP"}])
}

/// Waits until the cloud has answered this often from now on, so that what it told before the
/// last answer is known.
async fn until_asked(cloud: &CloudSimulator, times: usize) -> Result<()> {
    let seen = cloud.last_sequence();
    let what = format!("{} to be asked {times} times", cloud.name());
    eventually(&what, SOON, async || {
        let asked = cloud.questions_after(seen);
        let answered = asked.iter().filter(|call| call.finished_micros.is_some());
        Ok((answered.count() >= times).then_some(()))
    })
    .await
}

async fn quick(test: &str) -> Result<(Environment, Replica)> {
    let mut test = Environment::shared(test).await?;
    test.extra_config = QUICK.into();
    test.cloud1.set_capabilities(Some(tcp_only()));
    test.cloud2.set_capabilities(Some(Capabilities::all()));
    let replica = test.sole_replica().await?;
    Ok((test, replica))
}

#[tokio::test]
async fn what_a_cloud_lacks_is_told_before_any_call_and_an_edit_mends_it() -> Result<()> {
    let (test, _replica) = quick("capability-lacking").await?;
    let service = test.service("dns").provider("cloud1").field("ports", udp());
    service.create().await?;

    let message = test.until_reason("dns", "Unsupported").await?;
    let event = test.until_event("dns", "Unsupported").await?;
    for text in [message, event] {
        let says = "spec.ports[0].protocol is \"UDP\": cloud1 does not support the protocol UDP \
                    (cloud2 can)";
        ensure!(text.contains(says), "{text}");
    }
    ensure!(calls(&test.cloud1).is_empty(), "{:?}", calls(&test.cloud1));
    ensure!(calls(&test.cloud2).is_empty(), "{:?}", calls(&test.cloud2));

    test.annotate("dns", &[("provider", Some("cloud2"))])
        .await?;
    test.until_ready("dns").await?;
    ensure!(test.cloud1.mutations().is_empty());
    ensure!(test.cloud2.inventory().len() == 1);
    Ok(())
}

#[tokio::test]
async fn a_gained_capability_needs_no_edit() -> Result<()> {
    let (test, _replica) = quick("capability-gained").await?;
    let service = test.service("dns").provider("cloud1").field("ports", udp());
    service.create().await?;
    test.until_reason("dns", "Unsupported").await?;

    test.cloud1.set_capabilities(Some(Capabilities::all()));
    test.until_ready("dns").await?;
    let made = test.cloud1.inventory();
    ensure!(made.len() == 1 && made[0].settings.listeners[0].protocol == Protocol::Udp);
    Ok(())
}

#[tokio::test]
async fn a_lost_capability_changes_nothing_and_the_nodes_are_followed() -> Result<()> {
    let mut test = Environment::own("capability-lost")
        .await?
        .with_node()
        .await?;
    test.extra_config = QUICK.into();
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    let replica = test.sole_replica().await?;
    let service = test.service("dns").provider("cloud1").field("ports", udp());
    service.create().await?;
    let published = addresses(&test.until_ready("dns").await?);
    let made = test.cloud1.inventory();
    let has = "mycloud_lb_cloud_capabilities{capability=\"UDP\",cloud=\"cloud1\"}";
    replica.until(has, |value| value == 1.0).await?;

    test.cloud1.set_capabilities(Some(tcp_only()));
    let message = test.until_reason("dns", "Unsupported").await?;
    ensure!(message.contains("the protocol UDP"), "{message}");
    replica.until(has, |value| value == 0.0).await?;
    // Passes of drift come as often.
    until_asked(&test.cloud1, 5).await?;
    ensure!(
        test.cloud1.inventory() == made,
        "{:?}",
        test.cloud1.inventory()
    );
    ensure!(addresses(&test.get("dns").await?) == published);

    create_node(&test.client(), "later", "127.10.0.9".parse()?, &[]).await?;
    eventually("the new Node to be a back end", SOON, async || {
        let found = test.cloud1.inventory();
        Ok((found[0].settings.nodes.len() == 2).then_some(()))
    })
    .await?;
    let mut followed = test.cloud1.inventory();
    followed[0].settings.nodes = made[0].settings.nodes.clone();
    ensure!(followed == made, "only the back ends: {followed:?}");
    Ok(())
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_keeps_the_last_good_one() -> Result<()> {
    let (test, replica) = quick("capability-malformed").await?;
    until_asked(&test.cloud1, 1).await?;
    let fault = Fault::new(FaultKind::GarbageBody).on(Verb::Capabilities);
    test.cloud1.set_fault(fault);
    until_asked(&test.cloud1, 2).await?;

    let service = test.service("dns").provider("cloud1").field("ports", udp());
    service.create().await?;
    test.until_reason("dns", "Unsupported").await?;
    let errors = "mycloud_lb_cloud_api_requests_total{cloud=\"cloud1\",code=\"protocol\",\
                  operation=\"capabilities\"}";
    replica.until(errors, |count| count >= 1.0).await?;
    ensure!(test.cloud1.mutations().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_cloud_of_the_smallest_api_takes_what_it_can() -> Result<()> {
    let test = Environment::shared_with("capability-basic", |options| {
        if options.name == "cloud2" {
            options.profile = Profile::Basic;
        }
    })
    .await?;
    let mut options = test.replica_options("sole");
    let cloud2 = "{name: cloud2, ";
    options.config_yaml = options
        .config_yaml
        .replace(cloud2, &format!("{cloud2}profile: basic, "));
    options.extra_args.push("--leader-elect=false".into());
    let _replica = Replica::start(options).await?;

    let service = test.service("dns").provider("cloud2").field("ports", udp());
    service.create().await?;
    let message = test.until_reason("dns", "Unsupported").await?;
    ensure!(
        message.contains("cloud2 does not support the protocol UDP (cloud1 can)"),
        "{message}"
    );
    ensure!(
        test.cloud2.events().is_empty(),
        "{:?}",
        test.cloud2.events()
    );

    test.service("web").provider("cloud2").create().await?;
    test.until_ready("web").await?;
    test.annotate("web", &[("lb-bandwidth", Some("20M"))])
        .await?;
    eventually("the bandwidth", SOON, async || {
        let found = test.cloud2.inventory();
        Ok((found[0].settings.bandwidth == "20M").then_some(()))
    })
    .await?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(test.cloud2.inventory().is_empty());
    let lists = |call: &testbed::cloud::Event| call.verb == Verb::List;
    let calls = test.cloud2.events();
    let questions = test.cloud2.questions_after(0);
    ensure!(
        !calls.iter().any(lists) && questions.is_empty(),
        "the basic API has no such calls"
    );
    Ok(())
}

#[tokio::test]
async fn a_cloud_that_does_not_tell_holds_up_only_what_depends_on_it() -> Result<()> {
    let mut test = Environment::shared("capability-hanging").await?;
    // Longer than the test waits for anything.
    test.request_timeout = "120s".into();
    let hang = FaultKind::Hang {
        after_effect: false,
    };
    test.cloud1
        .set_fault(Fault::new(hang).on(Verb::Capabilities));
    let all = Capabilities::all();
    test.cloud2.set_capabilities(Some(all));
    let _replica = test.sole_replica().await?;
    let check = |name: &str, clouds: &str| {
        let service = test.service(name).provider(clouds);
        service.ours("health-check-interval", "7s").create()
    };
    test.service("plain").provider("cloud1").create().await?;
    check("other", "cloud2").await?;
    check("waits", "cloud1").await?;
    check("both", "cloud1,cloud2").await?;
    test.until_ready("other").await?;
    test.until_ready("plain").await?;

    let message = test.until_reason("waits", "SyncFailed").await?;
    ensure!(
        message.contains("cloud1 has not told yet whether this is supported"),
        "{message}"
    );
    let is_of = |found: &LoadBalancer, name: &str| {
        let owner = found.owner.as_ref();
        owner.is_some_and(|owner| owner.name == name)
    };
    let of_plain = |found: &LoadBalancer| is_of(found, "plain");
    ensure!(test.cloud1.inventory().iter().all(of_plain));
    ensure!(test.events("waits", "Unsupported").await?.is_empty());

    // It serves where it can, and says what it waits for.
    eventually("the address on cloud2", SOON, async || {
        let found = test.cloud2.inventory();
        let found = found.iter().find(|found| is_of(found, "both"));
        let address = found.and_then(|found| found.ip);
        let shown = addresses(&test.get("both").await?);
        Ok(address.filter(|ip| shown.contains(&ip.to_string())))
    })
    .await?;
    let message = test.until_reason("both", "SyncFailed").await?;
    ensure!(
        message.contains("cloud1 has not told yet whether it supports annotation health-check"),
        "{message}"
    );
    Ok(())
}

#[tokio::test]
async fn a_refusal_makes_the_controller_ask_again() -> Result<()> {
    let test = Environment::shared("capability-doubt").await?;
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    let _replica = test.sole_replica().await?;
    until_first_answer(&test.cloud1).await?;
    // The default sweepInterval is minutes.
    test.cloud1.set_capabilities(Some(tcp_only()));
    let service = test.service("dns").provider("cloud1").field("ports", udp());
    service.create().await?;
    let message = test.until_reason("dns", "Unsupported").await?;
    ensure!(message.contains("the protocol UDP"), "{message}");
    ensure!(test.cloud1.inventory().is_empty());
    Ok(())
}

async fn until_first_answer(cloud: &CloudSimulator) -> Result<()> {
    eventually("the first answer", SOON, async || {
        let questions = cloud.questions_after(0);
        let mut answered = questions.iter().map(|call| call.finished_micros.is_some());
        Ok(answered.any(|is_answered| is_answered).then_some(()))
    })
    .await
}

#[tokio::test]
async fn the_quota_is_a_metric_while_the_cloud_tells_it() -> Result<()> {
    let (test, replica) = quick("capability-quota").await?;
    test.cloud1.set_capabilities(Some(Capabilities {
        limits: Some(Limits {
            load_balancers: Some(100),
            used: Some(12),
        }),
        ..Capabilities::all()
    }));
    let series = |kind: &str| format!("mycloud_lb_cloud_quota{{cloud=\"cloud1\",kind=\"{kind}\"}}");
    replica
        .until(&series("limit"), |value| value == 100.0)
        .await?;
    replica
        .until(&series("used"), |value| value == 12.0)
        .await?;

    test.cloud1.set_capabilities(Some(Capabilities::all()));
    eventually(
        "no quota to be shown",
        Duration::from_secs(30),
        async || {
            let metrics = replica.metrics().await?;
            Ok((!metrics.contains_key(&series("limit"))).then_some(()))
        },
    )
    .await
}

#[tokio::test]
async fn a_spec_counts_with_its_limits_and_more_nodes_than_it_gives_are_not_asked_for() -> Result<()>
{
    let mut test = Environment::own("capability-specs").await?;
    test.extra_config = QUICK.into();
    let spec = |name: &str, back_ends| Spec {
        name: name.into(),
        max_back_ends: back_ends,
        max_listeners: Some(1),
        ..Spec::default()
    };
    test.cloud1.set_capabilities(Some(Capabilities {
        specs: Some(vec![spec("standard", Some(1)), spec("large", None)]),
        ..Capabilities::all()
    }));
    for number in [1, 2] {
        let address = format!("127.10.0.{number}").parse()?;
        create_node(&test.client(), &format!("n{number}"), address, &[]).await?;
    }
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    let ports = json!([{"name": "web", "port": 80}, {"name": "tls", "port": 443}]);
    let two_ports = test.service("ports").provider("cloud1");
    two_ports.field("ports", ports).create().await?;

    for (name, says) in [
        (
            "web",
            "cloud1 does not support 2 back ends on a load balancer of the spec standard, but 1",
        ),
        (
            "ports",
            "cloud1 does not support 2 ports on a load balancer of the spec standard",
        ),
    ] {
        let message = test.until_reason(name, "Unsupported").await?;
        let event = test.until_event(name, "Unsupported").await?;
        ensure!(
            message.contains(says) && event.contains(says),
            "{message}; {event}"
        );
    }
    ensure!(test.cloud1.mutations().is_empty(), "nothing was asked for");
    test.annotate("web", &[("lb-spec", Some("large"))]).await?;
    test.until_ready("web").await?;
    ensure!(test.cloud1.inventory()[0].settings.nodes.len() == 2);
    Ok(())
}
