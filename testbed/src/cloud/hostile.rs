//! Answers of a cloud that wants to harm: what no cloud should answer, in kinds that are told
//! apart by a number.

use serde_json::{Value, json};

/// A text that would forge a line of the log if it were repeated as it is.
pub const FORGED: &str = "x\n{\"level\":\"INFO\",\"message\":\"FORGED\"}\n";

/// The `Retry-After` of each answer, those without an error included: three centuries.
pub const RETRY_AFTER: &str = "9999999999";

/// Kinds of pages of a list.
pub const PAGES: usize = 5;
/// Kinds of answers about one load balancer.
pub const ANSWERS: usize = 8;

/// A page of a list; `request` is what it answers.
pub fn page(number: usize, request: &Value) -> String {
    let owner = |uid: &str| {
        let cluster = &request["owner"]["cluster"];
        json!({"cluster": cluster, "namespace": "a/../../b?x", "name": FORGED, "uid": uid})
    };
    match number % PAGES {
        0 => format!(r#"{{"err":"","items":[{}0]}}"#, "0,".repeat(4_000_000)),
        1 => {
            let items = vec![r#"{"lbId":1}"#; 5000].join(",");
            format!(r#"{{"err":"","items":[{items}],"nextPageToken":"{number}"}}"#)
        }
        2 => {
            let item = json!({"lbId": FORGED, "name": FORGED, "owner": owner("1")});
            let spoof = json!({"lbId": "lb-9", "name": "n", "owner": owner("2")});
            json!({"err": "", "items": [item, spoof, null, 7]}).to_string()
        }
        // Valid items, each of a size that one response may have.
        3 => {
            let path = format!("/{}", "x".repeat(1 << 20));
            let item = |index: usize| {
                let id = format!("lb-{number}-{index}");
                let check = json!({"protocol": "HTTP", "path": path});
                let listener =
                    json!({"protocol": "TCP", "port": 80, "nodePort": 30080, "healthCheck": check});
                let mut owner = owner(&id);
                owner["namespace"] = json!("default");
                owner["name"] = json!("web");
                json!({"lbId": id, "name": id, "owner": owner, "listeners": [listener]})
            };
            let items: Vec<Value> = (0..7).map(item).collect();
            json!({"err": "", "items": items, "nextPageToken": number.to_string()}).to_string()
        }
        _ => {
            let fat = json!({"lbId": "lb-fat", "name": "fat", "spec": "x".repeat(7 << 20)});
            json!({"err": "", "items": [fat], "nextPageToken": number.to_string()}).to_string()
        }
    }
}

/// The answer about one load balancer; `good` is what a good cloud would answer.
pub fn answer(number: usize, good: &Value) -> String {
    let mut answer = good.clone();
    match number % ANSWERS {
        0 => {
            let addresses = 0..60_000u32;
            answer["ips"] = addresses
                .map(|ip| json!(std::net::Ipv4Addr::from(ip)))
                .collect();
        }
        1 => answer["name"] = json!(FORGED.repeat(10_000)),
        2 => answer["lbId"] = json!("x,lb-2"),
        3 => answer = json!({"err": FORGED.repeat(10_000)}),
        // Valid, and of a size that a response may have.
        4 => answer["spec"] = json!("x".repeat(900_000)),
        5 => answer["sourceRanges"] = (0..100_000).map(|range| json!(range.to_string())).collect(),
        6 => answer["bandwidth"] = json!("x".repeat(900_000)),
        _ => answer["ips"] = json!(["127.0.0.1", "169.254.169.254", "10.96.0.1"]),
    }
    answer.to_string()
}
