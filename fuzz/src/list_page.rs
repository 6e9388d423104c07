//! A page of a cloud's list.
//!
//! Whatever the page is: each load balancer of the result is one of its items, belongs to
//! our cluster or to nobody, and keeps its bounds; the sweep suspects only those that are
//! ours by every proof; and an item that cannot be read costs no other item.

use http::StatusCode;
use my_cloud_controller_manager::cloud::{Answer, CloudError, Profile};
use my_cloud_controller_manager::plan::load_balancer::LoadBalancer;
use my_cloud_controller_manager::plan::naming::{ClusterId, Owner, ServiceUid};
use my_cloud_controller_manager::plan::orphan::{Shown, suspect};
use serde_json::{Value, json};

use super::cloud_answer::check_bounds;
use super::text::assert_one_short_line;
use super::world;

/// The longest token of a page in bytes.
const TOKEN: usize = 4 << 10;

type Read = Result<(Vec<LoadBalancer>, Option<String>), CloudError>;

/// The body of the page.
pub fn check(input: &[u8]) {
    let (found, token) = match read(input) {
        Ok(page) => page,
        Err(error) => return assert_one_short_line(&error.to_string()),
    };
    found.iter().for_each(check_bounds);
    check_suspects(&found);
    let token = token.as_deref().unwrap_or("-");
    assert!(!token.is_empty() && token.len() <= TOKEN);
    for found in &found {
        let owner = found.owner.as_ref();
        assert!(owner.is_none_or(|owner| owner.cluster == world::cluster()));
    }
    // A part that nobody reads may have a number beyond all floats.
    if let Ok(page) = serde_json::from_slice::<Value>(input) {
        check_items(&page);
    }
}

fn read(body: &[u8]) -> Read {
    let answer = Answer {
        status: StatusCode::OK,
        body: body.to_vec(),
    };
    let cloud = world::cloud(Profile::Standard);
    world::in_runtime(|| cloud.read_list_answer(&world::cluster(), answer))
}

/// Without a Service, only what is ours by cluster and by name is suspected.
fn check_suspects(found: &[LoadBalancer]) {
    let name = world::cloud_name("cloud1");
    let shown = Shown::new(&name, found);
    for found in found {
        let owner = found.owner.as_ref();
        let is_ours = owner.is_some_and(|owner| {
            let is_service = owner.service_key().is_valid();
            let is_derived = derived(owner).eq_ignore_ascii_case(found.name.as_str());
            owner.cluster == world::cluster() && is_service && is_derived
        });
        let suspicion = suspect(found, &world::cluster(), None, &shown);
        assert_eq!(suspicion.is_some(), is_ours, "{found:?}");
        let other = ClusterId::new("another");
        assert_eq!(suspect(found, &other, None, &shown), None, "{found:?}");
    }
}

fn derived(owner: &Owner) -> String {
    owner.load_balancer_name().as_str().to_owned()
}

/// The page again, as JSON in which no field is repeated, with its items between two good
/// ones.
fn check_items(page: &Value) {
    let Some(items) = page["items"].as_array() else {
        return;
    };
    let good = |uid: &str| {
        let owner = Owner {
            uid: ServiceUid::new(uid),
            ..world::owner()
        };
        let owned = json!({"cluster": "cluster", "namespace": "shop", "name": "web", "uid": uid});
        json!({"lbId": uid, "name": owner.load_balancer_name(), "owner": owned})
    };
    let mut between = vec![good("first")];
    between.extend(items.iter().take(50).cloned());
    between.push(good("last"));
    let page = json!({"err": "", "items": between, "nextPageToken": "next"});
    let (found, token) = read(page.to_string().as_bytes()).expect("a page whose items vary");
    let (first, last) = (found.first().unwrap(), found.last().unwrap());
    assert_eq!((first.id.as_str(), last.id.as_str()), ("first", "last"));
    assert_eq!(token.as_deref(), Some("next"));
    for (index, found) in found.iter().enumerate() {
        let text = |item: &Value, field: &str| item[field].as_str().map(str::to_owned);
        let is_item = |item: &Value| {
            let names = (text(item, "lbId"), text(item, "name"));
            names.0.as_deref() == Some(found.id.as_str())
                && names.1.as_deref() == Some(found.name.as_str())
        };
        assert!(between.iter().any(is_item), "item {index} is made up");
    }
}
