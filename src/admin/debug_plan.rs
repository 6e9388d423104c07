//! `/debug/plan/NAMESPACE/NAME`: what this replica would do for a Service, and why. For
//! clients on a loopback address only, and read-only. `?output=json` for JSON.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::BoxFuture;
use http::StatusCode;
use tokio::sync::Semaphore;

use super::loopback::loopback_only;
use super::{headers, text_response};
use crate::plan::naming::ServiceKey;
use crate::preview::Report;
use crate::preview::replica::NoReport;

/// Number of plans that are made at once: each may query every cloud of a Service, beside
/// the work of the controller.
pub const PLANS_AT_ONCE: usize = 4;

/// Makes the plan of a Service.
pub type Planner =
    Box<dyn Fn(ServiceKey) -> BoxFuture<'static, Result<Report, NoReport>> + Send + Sync>;

/// The plans of this replica; there are none before it has read the cluster's id.
#[derive(Clone)]
pub struct Plans(Arc<Shared>);

struct Shared {
    planner: OnceLock<Planner>,
    slots: Semaphore,
}

impl Default for Plans {
    fn default() -> Self {
        Self(Arc::new(Shared {
            planner: OnceLock::new(),
            slots: Semaphore::new(PLANS_AT_ONCE),
        }))
    }
}

impl Plans {
    /// Lets this replica answer. A second planner is ignored.
    pub fn begin(&self, planner: Planner) {
        let _ = self.0.planner.set(planner);
    }
}

/// The route.
pub fn route(plans: Plans) -> Router {
    Router::new()
        .route("/debug/plan/{namespace}/{name}", get(show))
        .layer(middleware::from_fn(loopback_only))
        .with_state(plans)
}

async fn show(
    State(plans): State<Plans>,
    Path((namespace, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let key = ServiceKey { namespace, name };
    let unavailable = |reason: String| text_response(StatusCode::SERVICE_UNAVAILABLE, reason);
    let is_json = match query.as_deref() {
        None | Some("" | "output=text") => false,
        Some("output=json") => true,
        Some(_) => {
            let reason = "the only parameter is output=text or output=json\n".to_owned();
            return text_response(StatusCode::BAD_REQUEST, reason);
        }
    };
    let Some(planner) = plans.0.planner.get() else {
        return unavailable("this replica is starting\n".to_owned());
    };
    let Ok(_slot) = plans.0.slots.try_acquire() else {
        return unavailable(format!("{PLANS_AT_ONCE} plans are being made; try again\n"));
    };
    match planner(key.clone()).await {
        Ok(report) if is_json => {
            let json = format!("{:#}\n", report.json());
            (StatusCode::OK, headers("application/json"), json).into_response()
        }
        Ok(report) => text_response(StatusCode::OK, report.text()),
        Err(NoReport::NoSuchService) => {
            let reason = format!("there is no Service {:?}\n", key.to_string());
            text_response(StatusCode::NOT_FOUND, reason)
        }
        Err(NoReport::NotListed) => {
            unavailable("the Services or the Nodes are not listed yet\n".to_owned())
        }
    }
}

#[cfg(test)]
mod tests;
