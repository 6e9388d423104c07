//! A cloud that answers what no cloud should: what that costs is bounded, and what it says
//! forges nothing.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::response::IntoResponse;
use my_cloud_controller_manager::cloud::{
    CallEvent, Cloud, CloudError, ErrorKind, Listed, Profile, SkippedItem, Which,
};
use my_cloud_controller_manager::plan::load_balancer::LoadBalancer;
use my_cloud_controller_manager::plan::naming::{ClusterId, LoadBalancerId};
use my_cloud_controller_manager::priority::Priority;
use serde_json::{Value, json};

use crate::edge::{Edge, answer, client, known, permit, plain_request, settings};

async fn list(edge: &Edge) -> Result<Listed, CloudError> {
    let cluster = ClusterId::new("cluster");
    edge.client(Profile::Standard).list(&cluster).await
}

async fn query(edge: &Edge) -> Result<Option<LoadBalancer>, CloudError> {
    let id = LoadBalancerId::new("lb-1");
    let cloud = edge.client(Profile::Standard);
    cloud.query(Which::Id(&id), Priority::User).await
}

fn item(id: &str) -> Value {
    let owner = json!({"cluster": "cluster", "namespace": "n", "name": "n", "uid": id});
    json!({"lbId": id, "name": format!("name-of-{id}"), "owner": owner})
}

/// A cloud that answers each call with this page and another token.
async fn endless(items: String) -> (Edge, Arc<AtomicUsize>) {
    let pages = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&pages);
    let edge = Edge::start(move |_, _| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let page = format!(r#"{{"err":"","items":[{items}],"nextPageToken":"{number}"}}"#);
        Box::pin(async move { answer(200, page) })
    })
    .await;
    (edge, pages)
}

#[tokio::test]
async fn a_page_of_too_many_small_items_fails_the_list() {
    let page = format!(r#"{{"err":"","items":[{}0]}}"#, "0,".repeat(4_000_000));
    let edge = Edge::always(200, &[], page).await;
    let error = list(&edge).await.expect_err("too many");
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.message().contains("10000 items"), "{error}");
}

#[tokio::test]
async fn pages_without_end_fail_the_list() {
    let items = vec!["0"; 1000].join(",");
    let (edge, pages) = endless(items).await;
    let error = list(&edge).await.expect_err("endless");
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.message().contains("100000 items"), "{error}");
    assert_eq!(pages.load(Ordering::Relaxed), 101);

    let (edge, pages) = endless(String::new()).await;
    let error = list(&edge).await.expect_err("endless");
    assert!(error.message().contains("2000 pages"), "{error}");
    assert_eq!(pages.load(Ordering::Relaxed), 2000);
}

/// The log lines of a test.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("lock").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_pause_of_years_that_each_page_asks_for_is_one_line() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let edge = Edge::start(|number, _| {
        let page = json!({"err": "", "items": [], "nextPageToken": number.to_string()});
        let headers = [("retry-after", "9999999999")];
        Box::pin(async move { (headers, page.to_string()).into_response() })
    })
    .await;
    let error = list(&edge).await.expect_err("endless");
    assert!(error.message().contains("2000 pages"), "{error}");
    let lines = String::from_utf8(lines.0.lock().expect("lock").clone()).expect("text");
    let pauses = lines.matches("Retry-After of more than an hour").count();
    assert_eq!(pauses, 1, "{} bytes of lines", lines.len());
}

/// An item with the longest names.
fn long(number: usize) -> Value {
    let mut long = item(&format!("{number:0>253}"));
    long["name"] = json!("n".repeat(253));
    long["owner"]["namespace"] = json!("n".repeat(63));
    long["owner"]["name"] = json!(vec!["n".repeat(62); 4].join("."));
    long
}

#[tokio::test]
async fn load_balancers_that_fill_the_memory_fail_the_list() {
    let items: Vec<String> = (0..1000).map(|number| long(number).to_string()).collect();
    let (edge, pages) = endless(items.join(",")).await;
    let error = list(&edge).await.expect_err("too much");
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.message().contains("bytes in memory"), "{error}");
    assert!(pages.load(Ordering::Relaxed) < 20);
}

/// Those with much beside their names are known, as the others are.
#[tokio::test]
async fn load_balancers_with_large_specs_do_not_fail_the_list() {
    let items = (0..60).map(|number| {
        let mut item = item(&format!("lb-{number}"));
        if number % 2 == 0 {
            // Near to the most that one may have.
            item["spec"] = json!("x".repeat(250 << 10));
        }
        item
    });
    let items: Vec<Value> = items.collect();
    // Two pages, because of the bound of one.
    let half = |items: &[Value], next: Option<&str>| {
        json!({"err": "", "items": items, "nextPageToken": next}).to_string()
    };
    let pages = [half(&items[..30], Some("1")), half(&items[30..], None)];
    let asked = Arc::new(AtomicUsize::new(0));
    let edge = Edge::start(move |_, _| {
        let page = pages[asked.fetch_add(1, Ordering::Relaxed) % 2].clone();
        Box::pin(async move { answer(200, page) })
    })
    .await;
    let listed = list(&edge).await.expect("listed");
    assert_eq!(listed.len(), 60, "each is known");
    let small = listed
        .whole
        .iter()
        .filter(|found| found.spec.spec.len() < 100);
    assert_eq!(small.count(), 30, "the others cost these nothing");
    assert_eq!(listed.whole.len(), 30 + 20, "5 MiB of large ones");
    assert_eq!(listed.iter().count(), 60);
}

#[tokio::test]
async fn a_huge_page_token_fails_the_list() {
    let page = json!({"err": "", "items": [], "nextPageToken": "x".repeat(1 << 20)});
    let edge = Edge::always(200, &[], page.to_string()).await;
    let error = list(&edge).await.expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.message().len() < 300, "{error}");
}

#[tokio::test]
async fn an_item_that_cannot_be_read_costs_only_itself() {
    let with = |change: fn(&mut Value)| {
        let mut item = item("x");
        change(&mut item);
        item
    };
    let unreadable = [
        json!(7),
        json!(null),
        json!([]),
        json!({"lbId": "no-name"}),
        with(|item| item["lbId"] = json!("x,lb-2")),
        with(|item| item["lbId"] = json!(7)),
        with(|item| item["lbId"] = json!("a\nb")),
        with(|item| item["name"] = json!("n".repeat(300))),
        with(|item| item["owner"] = json!("me")),
        with(|item| item["owner"]["namespace"] = json!("a/../b?x")),
        with(|item| item["owner"]["name"] = json!("../../../api")),
        with(|item| item["owner"]["uid"] = json!({})),
    ];
    let mut foreign = item("foreign");
    foreign["owner"]["cluster"] = json!("another");
    let mut items = vec![item("a"), foreign];
    items.extend(unreadable.clone());
    items.push(item("b"));
    let page = json!({"err": "", "items": items});
    let edge = Edge::always(200, &[], page.to_string()).await;
    let (cloud, events) = client(settings(&edge.endpoint, Profile::Standard));
    let found = cloud.list(&ClusterId::new("cluster")).await;
    let found = found.expect("listed");
    let ids: Vec<_> = found.iter().map(|found| found.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    let skipped = |reason| {
        let events = events.lock().expect("lock");
        let is_so = |event: &&CallEvent| matches!(event, CallEvent::Skipped { item, .. } if *item == reason);
        events.iter().filter(is_so).count()
    };
    assert_eq!(skipped(SkippedItem::Unreadable), unreadable.len());
    assert_eq!(skipped(SkippedItem::Foreign), 1);
}

#[tokio::test]
async fn what_a_cloud_says_forges_no_line_and_fills_no_message() {
    let line = "x\n2026-11-28T05:00:00Z  INFO elector: FORGED\u{2028}\u{202e}";
    let long = "y".repeat(400 << 10);
    for text in [line, &long] {
        let mut of_name = item("lb-1");
        of_name["name"] = json!(text);
        let mut of_id = item("lb-1");
        of_id["lbId"] = json!(text);
        let mut of_owner = item("lb-1");
        of_owner["owner"]["name"] = json!(text);
        let of_err = json!({"err": text});
        let of_code = json!({"err": text, "code": "QuotaExceeded"});
        for mut body in [of_name, of_id, of_owner, of_err, of_code] {
            if body["err"].is_null() {
                body["err"] = json!("");
            }
            let edge = Edge::always(200, &[], body.to_string()).await;
            let error = query(&edge).await.expect_err("no good answer").to_string();
            let is_plain = |letter: char| letter.is_ascii_graphic() || letter == ' ';
            assert!(error.chars().all(is_plain), "{error}");
            assert!(error.len() < 1000, "{} bytes", error.len());
        }
    }
    let mut failed = item("lb-1");
    failed["err"] = json!("");
    failed["state"] = json!("error");
    failed["message"] = json!(format!("{line}{long}"));
    let edge = Edge::always(200, &[], failed.to_string()).await;
    let found = query(&edge).await.expect("answered").expect("found");
    let state = format!("{:?}", found.state);
    assert!(!state.contains('\n') && state.len() < 1000, "{state}");
}

#[tokio::test]
async fn many_addresses_are_none_and_cost_no_time() {
    let mut body = item("lb-1");
    body["err"] = json!("");
    body["ips"] = (0..60_000u32)
        .map(|number| json!(std::net::Ipv4Addr::from(0x0A00_0000 + number)))
        .collect();
    let edge = Edge::always(200, &[], body.to_string()).await;
    let found = query(&edge).await.expect("answered").expect("found");
    assert!(found.addresses.is_empty());
    let refused = found.addresses.refused.expect("a reason");
    assert!(refused.contains("60000"), "{refused}");
}

#[tokio::test]
async fn an_address_that_no_load_balancer_has_is_not_read_as_one() {
    let cases = [
        (json!({"ip": "127.0.0.1"}), None, true),
        (json!({"ip": "here"}), None, true),
        (json!({"ip": 7}), None, true),
        (json!({"ips": ["10.0.0.1", {}]}), Some("10.0.0.1"), true),
        (json!({"ip": "0.0.0.0", "ips": ["::"]}), None, false),
        (json!({"ip": "::ffff:192.0.2.9"}), Some("192.0.2.9"), false),
        (json!({"hostname": "192.0.2.77"}), Some("192.0.2.77"), false),
    ];
    for (shown, ip, is_refused) in cases {
        let mut body = item("lb-1");
        body["err"] = json!("");
        let fields = shown.as_object().expect("fields").clone();
        body.as_object_mut().expect("fields").extend(fields);
        let edge = Edge::always(200, &[], body.to_string()).await;
        let found = query(&edge).await.expect("answered").expect("found");
        let ips: Vec<_> = found
            .addresses
            .ips
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(ips, Vec::from_iter(ip), "{shown}");
        assert_eq!(found.addresses.refused.is_some(), is_refused, "{shown}");
    }
}

#[tokio::test]
async fn an_id_that_would_shift_the_record_is_no_id() {
    let edge = Edge::always(200, &[], r#"{"err":"","lbId":"x,lb-2","ip":"192.0.2.1"}"#).await;
    let (cloud, request) = (edge.client(Profile::Standard), plain_request("web"));
    let permit = permit();
    let created = cloud.create(&permit, &request, Priority::User).await;
    let error = created.expect_err("an id with a comma");
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.outcome_unknown(), "it may have been created");
    let before = known(&request);
    let updated = cloud.update(&permit, &before, &request, Priority::User);
    let error = updated.await.expect_err("an id with a comma");
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}

#[tokio::test]
async fn a_compressed_body_is_read_and_is_bounded_too() {
    let body = json!({"err": "", "lbId": "lb-1", "name": "web"}).to_string();
    let headers = [("content-encoding", "gzip")];
    let edge = Edge::always(200, &headers, gzip(body.as_bytes())).await;
    let found = query(&edge).await.expect("answered").expect("found");
    assert_eq!(found.name.as_str(), "web");

    let bomb = format!(r#"{{"err":"","message":"{}"}}"#, " ".repeat(64 << 20));
    let edge = Edge::always(200, &headers, gzip(bomb.as_bytes())).await;
    let error = query(&edge).await.expect_err("a bomb");
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.message().contains("larger than"), "{error}");
}

/// RFC 1952, made by the program of that name.
fn gzip(text: &[u8]) -> Vec<u8> {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child = Command::new("gzip")
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip");
    let mut input = child.stdin.take().expect("its input");
    let text = text.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&text).expect("written"));
    let output = child.wait_with_output().expect("its output");
    writer.join().expect("the writer");
    output.stdout
}
