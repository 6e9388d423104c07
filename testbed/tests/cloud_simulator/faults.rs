//! Every fault, as its victim sees it and as the inventory shows it.

use std::time::Duration;

use serde_json::json;
use testbed::cloud::{Code, Effect, Failure, Fault, FaultKind, LateReply, Outcome, Verb, hostile};

use super::{Cloud, until, wanted, with};

/// A cloud whose next create is struck.
async fn cloud_with(kind: FaultKind) -> Cloud {
    let cloud = Cloud::quiet().await;
    cloud
        .simulator
        .set_fault(Fault::new(kind).on(Verb::Create).times(1));
    cloud
}

/// How many load balancers there are.
fn made(cloud: &Cloud) -> usize {
    cloud.simulator.inventory().len()
}

/// Patience that a busy machine needs to deliver a request at all.
const ON_ITS_WAY: Duration = Duration::from_millis(1_500);

/// A create that waits no longer than this.
async fn impatient(cloud: &Cloud, patience: Duration) -> reqwest::Result<super::Answer> {
    let request = cloud.request(Verb::Create, &wanted("web", "u1"));
    Cloud::send(request.timeout(patience)).await
}

#[tokio::test]
async fn an_answer_may_be_about_another_load_balancer() {
    let cloud = Cloud::quiet().await;
    let id = cloud.create(&wanted("theirs", "u1")).await;
    let another = FaultKind::AnswerAnother { id: id.clone() };
    cloud.simulator.set_fault(Fault::new(another));
    assert_eq!(cloud.create(&wanted("web", "u2")).await, id);
    assert_eq!(made(&cloud), 2, "it was carried out");
    for asked in ["web", "nothing"] {
        let shown = cloud
            .call(Verb::Query, &json!({"name": asked}))
            .await
            .json();
        assert_eq!(
            (&shown["lbId"], &shown["name"]),
            (&json!(id), &json!("theirs"))
        );
    }
    cloud.call(Verb::Delete, &json!({"lbId": id})).await;
    assert_eq!(made(&cloud), 1, "no other call is struck");
}

#[tokio::test]
async fn latency_delays_a_call_that_then_succeeds() {
    let cloud = cloud_with(FaultKind::Latency { millis: 100 }).await;
    cloud.create(&wanted("web", "u1")).await;
    let event = cloud.simulator.events().remove(0);
    assert!(
        event.took() >= Some(Duration::from_millis(100)),
        "{event:#?}"
    );
}

#[tokio::test]
async fn a_slow_call_is_carried_out_even_if_its_caller_gives_up() {
    let cloud = cloud_with(FaultKind::Latency { millis: 3_000 }).await;
    let gave_up = impatient(&cloud, ON_ITS_WAY).await;
    assert!(gave_up.expect_err("a timeout").is_timeout());
    until("the call is carried out", async || {
        (made(&cloud) == 1).then_some(())
    })
    .await;
    assert_eq!(cloud.simulator.events()[0].outcome, Outcome::Abandoned);
}

#[tokio::test]
async fn a_hang_is_never_answered() {
    for (after_effect, load_balancers) in [(false, 0), (true, 1)] {
        let cloud = cloud_with(FaultKind::Hang { after_effect }).await;
        let gave_up = impatient(&cloud, ON_ITS_WAY).await;
        assert!(gave_up.expect_err("a timeout").is_timeout());
        until("the cloud sees its caller go", async || {
            (cloud.simulator.events()[0].outcome == Outcome::Abandoned).then_some(())
        })
        .await;
        assert_eq!(made(&cloud), load_balancers, "after_effect: {after_effect}");
        cloud.create(&wanted("other", "u2")).await;
    }
}

#[tokio::test]
async fn throttling_says_when_to_come_back() {
    for as_date in [false, true] {
        let kind = FaultKind::Throttle {
            retry_after_seconds: Some(7),
            as_date,
        };
        let cloud = cloud_with(kind).await;
        let answer = cloud.call(Verb::Create, &wanted("web", "u1")).await;
        assert_eq!(
            (answer.status, answer.text("code")),
            (429, "Throttled".into())
        );
        let retry_after = answer.retry_after.expect("a header");
        match as_date {
            false => assert_eq!(retry_after, "7"),
            true => assert!(retry_after.ends_with(" GMT"), "{retry_after}"),
        }
        assert_eq!(made(&cloud), 0);
    }
}

#[tokio::test]
async fn a_failure_before_the_effect_leaves_nothing_behind() {
    for (failure, status, code) in [
        (Failure::code(Code::Unavailable), 503, "Unavailable"),
        (Failure::status(500), 500, ""),
        (Failure::default(), 200, ""),
    ] {
        let cloud = cloud_with(FaultKind::FailBefore(failure)).await;
        let answer = cloud.call(Verb::Create, &wanted("web", "u1")).await;
        assert_eq!((answer.status, answer.text("code")), (status, code.into()));
        assert_ne!(answer.text("err"), "");
        assert_eq!(made(&cloud), 0);
    }
}

#[tokio::test]
async fn a_failure_after_the_effect_hides_it() {
    let cloud = cloud_with(FaultKind::FailAfter(Failure::code(Code::Internal))).await;
    let answer = cloud.call(Verb::Create, &wanted("web", "u1")).await;
    assert_eq!(
        (answer.status, answer.text("code")),
        (500, "Internal".into())
    );
    assert_eq!(made(&cloud), 1);
    let event = cloud.simulator.events().remove(0);
    assert_eq!(
        (event.effect, event.code()),
        (Some(Effect::Created), Some(Code::Internal))
    );
    assert_eq!(event.fault.as_deref(), Some("failAfter"));
}

#[tokio::test]
async fn a_lost_reply_closes_the_connection_after_the_effect() {
    let cloud = cloud_with(FaultKind::LoseReply).await;
    let lost = cloud.try_call(Verb::Create, &wanted("web", "u1")).await;
    assert!(lost.is_err(), "{lost:?}");
    assert_eq!(made(&cloud), 1);
    let events = cloud.simulator.events();
    assert_eq!(events.len(), 1, "the client sent it once");
    assert_eq!(events[0].outcome, Outcome::ReplyLost);
    cloud.create(&wanted("web", "u1")).await;
    assert_eq!(made(&cloud), 1);
}

#[tokio::test]
async fn a_late_execution_follows_its_failure() {
    let replies = [
        LateReply::Lost,
        LateReply::Hang,
        LateReply::Fail(Failure::status(504)),
    ];
    let late = replies.map(async |reply| {
        let cloud = cloud_with(FaultKind::ExecuteLate {
            delay_millis: 3_000,
            reply: reply.clone(),
        })
        .await;
        let answer = impatient(&cloud, ON_ITS_WAY).await;
        match reply {
            LateReply::Fail(_) => assert_eq!(answer.expect("an answer").status, 504),
            LateReply::Lost | LateReply::Hang => drop(answer.expect_err("no answer")),
        }
        let event = until("the call is carried out", async || {
            let event = cloud.simulator.events().into_iter().next()?;
            event.effect_micros.map(|_| event)
        })
        .await;
        assert!(event.finished_micros < event.effect_micros, "{event:#?}");
        assert_eq!(event.effect, Some(Effect::Created));
        assert_eq!(made(&cloud), 1);
    });
    futures::future::join_all(late).await;
}

#[tokio::test]
async fn a_late_execution_is_fenced_when_it_happens() {
    let late = FaultKind::ExecuteLate {
        delay_millis: 1_000,
        reply: LateReply::Lost,
    };
    let cloud = cloud_with(late).await;
    let old = cloud
        .request(Verb::Create, &wanted("old", "u1"))
        .header("Fencing-Token", "1");
    assert!(Cloud::send(old).await.is_err());
    let new = cloud
        .request(Verb::Create, &wanted("new", "u2"))
        .header("Fencing-Token", "2");
    assert_eq!(Cloud::send(new).await.expect("an answer").text("err"), "");
    until("the old leader's create is refused", async || {
        let effect = cloud.simulator.events()[0].effect?;
        (effect == Effect::Refused(Code::FailedPrecondition)).then_some(())
    })
    .await;
    assert_eq!(made(&cloud), 1);
}

#[tokio::test]
async fn a_list_can_be_incomplete_or_stale() {
    let cloud = Cloud::quiet().await;
    let names = async || -> Vec<String> {
        let list = cloud
            .call(Verb::List, &json!({ "owner": { "cluster": "c1" } }))
            .await
            .json();
        let items = list["items"].as_array().expect("items");
        items
            .iter()
            .map(|item| item["name"].as_str().expect("a name").into())
            .collect()
    };
    cloud.create(&wanted("one", "u1")).await;
    cloud.simulator.set_fault(Fault::new(FaultKind::Stale));
    let two = cloud.create(&wanted("two", "u2")).await;
    assert_eq!(names().await, ["one"]);
    assert_eq!(
        cloud
            .call(Verb::Query, &json!({ "lbId": two }))
            .await
            .status,
        404
    );
    cloud.simulator.clear_faults();
    cloud
        .simulator
        .set_fault(Fault::new(FaultKind::ListIncomplete { omit: 1 }));
    assert_eq!(names().await, ["two"]);
    assert_eq!(
        cloud
            .call(Verb::Query, &json!({ "name": "one" }))
            .await
            .status,
        200
    );
    cloud.simulator.clear_faults();
    assert_eq!(names().await, ["one", "two"]);
}

#[tokio::test]
async fn a_body_can_be_garbage_or_too_large_or_lack_a_field() {
    let cloud = cloud_with(FaultKind::GarbageBody).await;
    let garbage = cloud.call(Verb::Create, &wanted("one", "u1")).await;
    assert!(
        garbage.status == 200 && garbage.text.starts_with('<'),
        "{garbage:?}"
    );

    let create = |kind| {
        cloud
            .simulator
            .set_fault(Fault::new(kind).on(Verb::Create).times(1))
    };
    create(FaultKind::OversizedBody { bytes: 2 << 20 });
    let large = cloud.call(Verb::Create, &wanted("two", "u2")).await;
    assert!(large.text.len() >= 2 << 20);
    assert_eq!(large.text("lbId"), "lb-2", "it is JSON all the same");

    create(FaultKind::OmitField {
        field: "lbId".into(),
    });
    let without = cloud
        .call(Verb::Create, &wanted("three", "u3"))
        .await
        .json();
    assert!(
        without.get("lbId").is_none() && without["err"] == "",
        "{without}"
    );
    assert_eq!(made(&cloud), 3, "all were carried out");
}

#[tokio::test]
async fn a_body_can_break_off_or_take_for_ever() {
    for kind in [FaultKind::CutBody, FaultKind::Trickle { pause_millis: 500 }] {
        let cloud = cloud_with(kind.clone()).await;
        let answer = impatient(&cloud, ON_ITS_WAY).await;
        let error = answer.expect_err("half an answer");
        let is_slow = matches!(kind, FaultKind::Trickle { .. });
        assert_eq!(error.is_timeout(), is_slow, "{kind:?}: {error:?}");
        assert_eq!(made(&cloud), 1, "{kind:?}: it was carried out");
    }
}

#[tokio::test]
async fn an_answer_can_be_hostile() {
    let (cloud, mut seen) = (Cloud::quiet().await, Vec::new());
    for number in 0..hostile::ANSWERS {
        let kind = FaultKind::Hostile { number };
        cloud.simulator.set_fault(Fault::new(kind).times(2));
        let one = wanted(&format!("web-{number}"), &format!("u{number}"));
        seen.push(cloud.call(Verb::Create, &one).await.text);
        seen.push(cloud.call(Verb::List, &json!({})).await.text);
    }
    assert_eq!(made(&cloud), hostile::ANSWERS, "all were carried out");
    let longest = seen.iter().map(String::len).max();
    assert!(longest > Some(7 << 20), "{longest:?}");
    assert!(seen.iter().any(|text| text.contains("x,lb-2")));
}

#[tokio::test]
async fn an_answer_can_say_the_same_in_other_words() {
    let cloud = Cloud::quiet().await;
    let body = with(
        wanted("web", "u1"),
        json!({
            "sourceRanges": ["10.0.0.0/8", "2001:db8::/32"],
            "sessionAffinity": {"type": "ClientIP"},
            "addressFamilies": ["IPv4"],
            "listeners": [{"name": "http", "port": 80, "nodePort": 30_080,
                "proxyProtocol": "v2", "healthCheck": {"protocol": "HTTP"}}],
        }),
    );
    cloud.create(&body).await;
    let made = cloud.simulator.inventory();
    cloud.simulator.set_fault(Fault::new(FaultKind::OtherWords));
    let found = cloud
        .call(Verb::Query, &json!({"lbId": "lb-1"}))
        .await
        .json();
    let listed = cloud.call(Verb::List, &json!({})).await.json();
    let kept = ["lbId", "nodes", "owner", "ip"];
    for shown in [&found, &listed["items"][0]] {
        let words = [
            ("name", json!("WEB")),
            ("spec", json!("STANDARD")),
            ("bandwidth", json!("10240K")),
            ("state", json!("ACTIVE")),
            ("algorithm", json!("ROUND-ROBIN")),
            (
                "sourceRanges",
                json!([
                    "10.255.255.255/8",
                    "2001:DB8:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF/32"
                ]),
            ),
            (
                "sessionAffinity",
                json!({"type": "CLIENTIP", "timeoutSeconds": 10_800}),
            ),
            ("addressFamilies", json!(["IPV4"])),
            (
                "listeners",
                json!([{"name": "HTTP", "protocol": "tcp", "port": 80, "nodePort": 30_080,
                    "proxyProtocol": "V2", "healthCheck": {"protocol": "http"}}]),
            ),
        ];
        for (field, expected) in words {
            assert_eq!(shown[field], expected, "{field}");
        }
    }
    cloud.simulator.clear_faults();
    let plain = cloud
        .call(Verb::Query, &json!({"lbId": "lb-1"}))
        .await
        .json();
    for field in kept {
        assert_eq!(found[field], plain[field], "{field}");
    }
    assert_eq!(cloud.simulator.inventory(), made, "it is the same");
}

#[tokio::test]
async fn a_redirect_is_not_carried_out() {
    let cloud = cloud_with(FaultKind::Redirect {
        location: "http://127.0.0.1:1/".into(),
    })
    .await;
    let answer = cloud.call(Verb::Create, &wanted("web", "u1")).await;
    assert_eq!((answer.status, made(&cloud)), (307, 0));
}

#[tokio::test]
async fn a_fault_strikes_only_what_it_matches_and_as_often_as_it_says() {
    let cloud = Cloud::quiet().await;
    let unavailable = || Fault::new(FaultKind::FailBefore(Failure::code(Code::Unavailable)));
    cloud
        .simulator
        .set_fault(unavailable().on(Verb::Create).matching("shop/two").times(2));
    cloud
        .simulator
        .set_fault(unavailable().on(Verb::Delete).matching("one"));
    let one = cloud.create(&wanted("one", "u1")).await;
    for expected in [503, 503, 200] {
        let answer = cloud.call(Verb::Create, &wanted("two", "u2")).await;
        assert_eq!(answer.status, expected);
    }
    // Known by its id only, matched by its name.
    let delete = cloud.call(Verb::Delete, &json!({ "lbId": one })).await;
    assert_eq!((delete.status, cloud.simulator.faults().len()), (503, 1));
}
