//! A Service with a value that cannot be read: its load balancer stays as it is, is no
//! orphan, and the Service says why. No API server shows such values today; the interposer
//! does.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};
use testbed::cloud::Verb;
use testbed::environment::{SOON, addresses};
use testbed::interposer::Interposer;
use testbed::{Environment, Replica, eventually};

/// So that what looks like an orphan is soon due.
const QUICK: &str = "driftInterval: 200ms\nsweepInterval: 200ms\norphanGracePeriod: 500ms";

/// Looks of the sweep until something that looks like an orphan is long due.
const LOOKS: usize = 10;

const UNREADABLE: &str = "mycloud_lb_unreadable_objects{kind=\"service\"}";

/// Shows this value in the Service `odd` from now on.
fn show(interposer: &Interposer, path: &'static str, value: Value) {
    interposer.view().rewrite(move |service| {
        if service["metadata"]["name"] == "odd"
            && let Some(field) = service.pointer_mut(path)
        {
            *field = value.clone();
        }
    });
}

/// Waits until the sweep would have deleted an orphan, and fails if it deleted anything.
async fn nothing_is_deleted(test: &Environment, why: &str) -> Result<()> {
    let lists = || {
        let calls = test.cloud1.events();
        calls.iter().filter(|call| call.verb == Verb::List).count()
    };
    let before = lists();
    eventually("the sweep to look again and again", SOON, async || {
        Ok((lists() >= before + LOOKS).then_some(()))
    })
    .await?;
    let mutations = test.cloud1.mutations();
    let deletes = mutations.iter().filter(|call| call.verb == Verb::Delete);
    ensure!(deletes.count() == 0, "{why}: {mutations:?}");
    Ok(())
}

async fn is_served(test: &Environment, replica: &Replica, name: &str) -> Result<()> {
    test.service(name).provider("cloud1").create().await?;
    test.until_ready(name).await?;
    replica.until(UNREADABLE, |count| count == 1.0).await?;
    Ok(())
}

#[tokio::test]
async fn the_load_balancer_of_a_service_that_cannot_be_read_stays() -> Result<()> {
    let mut test = Environment::shared("unreadable").await?;
    test.extra_config = QUICK.into();
    let interposer = test.interpose().await?;
    let replica = test.sole_replica().await?;
    test.service("odd").provider("cloud1").create().await?;
    let before = test.until_ready("odd").await?;

    // Each of these counted as missing: as a Service that wants no load balancer, or has none.
    let cases = [
        ("/spec/type", json!(7)),
        ("/spec", json!([])),
        ("/metadata/annotations", json!([])),
        ("/metadata/finalizers", json!({})),
        ("/metadata/uid", json!(7)),
        ("/metadata/deletionTimestamp", json!(7)),
        ("/metadata/resourceVersion", json!(7)),
        ("/spec/ports", json!("none")),
    ];
    for (index, (path, value)) in cases.into_iter().enumerate() {
        // A Service that is not being deleted has no such field yet.
        let why = format!("{path} is {value}");
        if path == "/metadata/deletionTimestamp" {
            interposer.view().rewrite(|service| {
                if service["metadata"]["name"] == "odd" {
                    service["metadata"]["deletionTimestamp"] = json!(7);
                }
            });
        } else {
            show(&interposer, path, value);
        }
        interposer.view().listed().await?;
        nothing_is_deleted(&test, &why).await?;
        is_served(&test, &replica, &format!("other-{index}")).await?;
        let now = test.get("odd").await?;
        ensure!(addresses(&now) == addresses(&before), "{why}: {now:?}");
        ensure!(
            now.metadata.finalizers == before.metadata.finalizers,
            "{why}: {now:?}"
        );
    }

    show(&interposer, "/spec/type", json!(7));
    let explains = |service: &Service| {
        let condition = test.condition(service).unwrap_or_default();
        condition.1 == "InvalidConfiguration" && condition.2.contains("spec.type")
    };
    test.until("odd", "the condition to name the field", explains)
        .await?;
    eventually("an Event to name the field", SOON, async || {
        let notes = test.events("odd", "InvalidConfiguration").await?;
        let names_it = notes.iter().any(|note| note.contains("spec.type"));
        Ok(names_it.then_some(()))
    })
    .await?;
    let log = std::fs::read_to_string(replica.log_path())?;
    ensure!(
        log.contains("/odd (spec.type)") && log.contains("cannot be read"),
        "{log}"
    );

    interposer.view().show_truth();
    test.until_ready("odd").await?;
    replica.until(UNREADABLE, |count| count == 0.0).await?;
    let updates = test.cloud1.mutations();
    let of_odd = updates.iter().filter(|call| call.verb != Verb::Create);
    ensure!(of_odd.count() == 0, "{updates:?}");
    Ok(())
}
