//! What is written to a Service about its load balancers.

use std::sync::Arc;

use serde_json::json;

use super::api_server::ApiServer;
use super::cloud::Scripted;
use super::leader::{leader, load_balancer, metadata_keys, reconcile, service};
use crate::kubernetes::condition::find;
use crate::kubernetes::service::view;
use crate::plan::naming::CloudName;

#[tokio::test(start_paused = true)]
async fn addresses_that_the_api_server_refuses_do_not_keep_the_record_away() {
    let shown = service(json!({}));
    let server = ApiServer::with(Some(&shown)).refusing_addresses();
    let cloud = Arc::new(Scripted {
        by_name: Some(load_balancer(&shown, "lb-1")),
        ..Scripted::default()
    });
    let context = leader(&server, [&cloud, &Arc::default()], [shown.clone()]);
    reconcile(shown, context).await;
    let live = server.live();
    let view = view(&live, &metadata_keys()).expect("a Service");
    let recorded = view.record.get(&CloudName::new("cloud1"));
    assert_eq!(recorded.map(|id| id.as_str()), Some("lb-1"));
    assert!(view.published.is_empty(), "no address");
    let condition = find(&live, metadata_keys().condition()).expect("a condition");
    assert_eq!(condition.reason, "SyncFailed");
    assert!(condition.message.contains("rejected"), "{condition:?}");
}
