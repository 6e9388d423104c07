//! Lists, page by page.

use my_cloud_controller_manager::cloud::{Cloud, CloudError, ErrorKind, Profile, Which};
use my_cloud_controller_manager::plan::naming::{ClusterId, LoadBalancerId};
use serde_json::{Value, json};

use crate::edge::{Edge, answer};
use my_cloud_controller_manager::priority::Priority;

fn item(id: &str, cluster: &str) -> Value {
    let owner = json!({"cluster": cluster, "namespace": "n", "name": "n", "uid": id});
    json!({"lbId": id, "name": format!("name-of-{id}"), "owner": owner})
}

async fn ids(edge: &Edge) -> Result<Vec<String>, CloudError> {
    let cluster = ClusterId::new("cluster");
    let list = edge.client(Profile::Standard).list(&cluster).await?;
    let ids = list.iter().map(|found| found.id.as_str().to_owned());
    Ok(ids.collect())
}

#[tokio::test]
async fn every_page_is_read_and_what_does_not_fit_is_left_out() {
    let edge = Edge::start(|_, seen| {
        let page = match seen.body["pageToken"].as_str() {
            None => json!({
                "err": "", "nextPageToken": "2",
                "items": [item("a", "cluster"), {"lbId": "no name"}, item("b", "another cluster")],
            }),
            Some("2") => json!({"err": "", "nextPageToken": "3", "items": null}),
            _ => json!({"err": "", "nextPageToken": "", "items": [item("c", "cluster"), 7]}),
        };
        Box::pin(async move { answer(200, page.to_string()) })
    })
    .await;
    assert_eq!(ids(&edge).await.expect("listed"), ["a", "c"]);
    let first = &edge.seen()[0];
    assert_eq!(first.path, "/api/v1/lb/list");
    assert_eq!(
        first.body,
        json!({"owner": {"cluster": "cluster"}, "pageSize": 500})
    );
}

#[tokio::test]
async fn a_page_that_fails_fails_the_list() {
    let edge = Edge::start(|number, _| {
        let page = json!({"err": "", "nextPageToken": "2", "items": [item("a", "cluster")]});
        let page = if number == 0 {
            answer(200, page.to_string())
        } else {
            answer(500, "")
        };
        Box::pin(async move { page })
    })
    .await;
    let error = ids(&edge).await.expect_err("the second page failed");
    assert!(
        matches!(error.kind(), ErrorKind::Unavailable { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_list_that_never_ends_is_no_list() {
    let page = json!({"err": "", "nextPageToken": "again", "items": []});
    let edge = Edge::always(200, &[], page.to_string()).await;
    assert_eq!(
        ids(&edge).await.expect_err("endless").kind(),
        ErrorKind::Protocol
    );
}

#[tokio::test]
async fn a_page_that_is_too_large_is_asked_for_in_parts() {
    let edge = Edge::start(|_, seen| {
        let size = seen.body["pageSize"].as_u64().expect("a size");
        let padding = "x".repeat(if size > 125 { 9 << 20 } else { 0 });
        let page = json!({"err": "", "items": [item("a", "cluster")], "padding": padding});
        Box::pin(async move { answer(200, page.to_string()) })
    })
    .await;
    assert_eq!(ids(&edge).await.expect("listed"), ["a"]);
    assert_eq!(edge.seen().len(), 3, "500, 250, 125");
}

#[tokio::test]
async fn load_balancers_with_the_same_nodes_share_one_set() {
    let edge = Edge::start(|_, seen| {
        let with = |id: &str, nodes: Value| {
            let mut item = item(id, "cluster");
            item["nodes"] = nodes;
            item
        };
        let same = || with("b", json!(["10.0.0.2", "10.0.0.1"]));
        let answered = match seen.body["pageToken"].as_str() {
            _ if seen.path.ends_with("/query") => {
                let mut found = same();
                found["err"] = json!("");
                found
            }
            None => json!({
                "err": "", "nextPageToken": "2",
                "items": [with("a", json!(["10.0.0.1", "10.0.0.2"])), with("c", json!(["10.0.0.1"]))],
            }),
            _ => json!({"err": "", "items": [same()]}),
        };
        Box::pin(async move { answer(200, answered.to_string()) })
    })
    .await;
    let cloud = edge.client(Profile::Standard);
    let list = cloud.list(&ClusterId::new("cluster")).await;
    let list = list.expect("listed");
    let id = LoadBalancerId::new("b");
    let queried = cloud.query(Which::Id(&id), Priority::User).await;
    let queried = queried.expect("an answer").expect("found");
    let [a, c, b] = [0, 1, 2].map(|index| &list.whole[index].spec.nodes);
    assert_eq!((a.len(), c.len()), (2, 1));
    assert!(a.is_shared_with(b), "of another page");
    assert!(a.is_shared_with(&queried.spec.nodes), "of a query");
}
