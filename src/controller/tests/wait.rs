//! A Service that waits for its turn at a cloud.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::api_server::ApiServer;
use super::cloud::Scripted;
use super::leader::{leader, service};
use crate::controller::report::explain_wait;
use crate::kubernetes::condition::find;
use crate::plan::naming::CloudName;

/// The reason of the condition after the wait of a Service with this bandwidth was
/// explained twice, and the number of patches.
async fn explained(bandwidth: &str) -> (Option<String>, usize) {
    let shown = service(json!({"metadata": {"annotations": {
        "mycloud.com/lb-bandwidth": bandwidth,
        "mycloud.com/lb-id": "lb-1", "mycloud.com/lb-cloud": "cloud1",
    }}}));
    let server = ApiServer::with(Some(&shown));
    let cloud = Arc::<Scripted>::default();
    let context = leader(&server, [&cloud, &cloud], [shown.clone()]);
    let leadership = context.leadership().expect("it leads");
    let clouds = BTreeSet::from([CloudName::new("cloud1")]);
    for _ in 0..2 {
        let shown = server.live();
        explain_wait(shown.into(), &clouds, &leadership, &context).await;
    }
    assert!(cloud.calls().is_empty(), "{:?}", cloud.calls());
    let live = server.live();
    let condition = find(&live, context.metadata_keys.condition());
    let reason = condition.map(|condition| condition.reason.clone());
    (reason, server.patches())
}

#[tokio::test(start_paused = true)]
async fn the_condition_says_what_it_waits_for_and_first_of_all_what_is_invalid() {
    let (reason, _) = explained("5M").await;
    assert_eq!(reason.as_deref(), Some("Provisioning"));
    let (reason, patches) = explained("fast").await;
    assert_eq!(reason.as_deref(), Some("InvalidConfiguration"));
    assert_eq!(patches, 1, "it is said once");
}
