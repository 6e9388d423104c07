//! Who calls, and for what: tokens, terms, keys and the quota.

use testbed::cloud::{CloudSimulatorOptions, Verb};

use super::{Cloud, quiet, wanted};

#[tokio::test]
async fn an_older_fencing_token_is_refused() {
    let cloud = Cloud::quiet().await;
    let create = async |name: &str, token: &str| {
        let request = cloud.request(Verb::Create, &wanted(name, name));
        Cloud::send(request.header("Fencing-Token", token))
            .await
            .expect("an answer")
    };
    assert_eq!(create("one", "7").await.text("err"), "");
    assert_eq!(
        create("two", "7").await.text("err"),
        "",
        "the same term goes on"
    );
    let old = create("three", "6").await;
    assert_eq!(
        (old.status, old.text("code")),
        (412, "FailedPrecondition".into())
    );
    assert_eq!(create("four", "x").await.text("code"), "InvalidArgument");
    assert_eq!(cloud.simulator.inventory().len(), 2);
    let tokens: Vec<_> = cloud
        .simulator
        .events()
        .iter()
        .map(|event| event.fencing_token)
        .collect();
    assert_eq!(tokens, [Some(7), Some(7), Some(6), None]);

    let lax = Cloud::start(CloudSimulatorOptions {
        fencing: false,
        ..quiet()
    })
    .await;
    for token in ["7", "6"] {
        let request = lax.request(Verb::Create, &wanted("one", "u1"));
        let answer = Cloud::send(request.header("Fencing-Token", token)).await;
        assert_eq!(answer.expect("an answer").text("err"), "");
    }
}

#[tokio::test]
async fn an_idempotency_key_stands_for_one_name() {
    let cloud = Cloud::quiet().await;
    let create = async |name: &str| {
        let request = cloud.request(Verb::Create, &wanted(name, "u1"));
        Cloud::send(request.header("Idempotency-Key", "k1"))
            .await
            .expect("an answer")
    };
    let first = create("one").await;
    assert_eq!(create("one").await.text("lbId"), first.text("lbId"));
    assert_eq!(create("two").await.text("code"), "InvalidArgument");
    assert_eq!(
        cloud.simulator.events()[0].idempotency_key.as_deref(),
        Some("k1")
    );
}

#[tokio::test]
async fn callers_need_the_bearer_token_and_stay_within_the_quota() {
    let options = CloudSimulatorOptions {
        token: Some("secret".into()),
        quota: Some(1),
        ..quiet()
    };
    let cloud = Cloud::start(options).await;
    let refused = cloud.call(Verb::Create, &wanted("one", "u1")).await;
    assert_eq!(
        (refused.status, refused.text("code")),
        (401, "Unauthenticated".into())
    );
    let create = async |name: &str| {
        let request = cloud.request(Verb::Create, &wanted(name, name));
        Cloud::send(request.bearer_auth("secret"))
            .await
            .expect("an answer")
    };
    assert_eq!(create("one").await.text("err"), "");
    assert_eq!(create("two").await.text("code"), "QuotaExceeded");
}
