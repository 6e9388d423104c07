//! The guard of the secure routes: only clients that the API server authorizes pass.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::Response;
use http::header::{AUTHORIZATION, CONNECTION, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use kube::Client;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::decisions::{Decision, Decisions, TokenHash};
use super::reviews::review;
use crate::admin::text_response;
use crate::telemetry::log_throttle::{LogKey, LogThrottle};

/// Maximum number of concurrent reviews, so that a flood of tokens does not reach the
/// API server.
const CONCURRENT_REVIEWS: usize = 4;
/// Maximum size of a token in bytes; the token of a ServiceAccount has about 1000.
const MAX_TOKEN_SIZE: usize = 16 * 1024;
/// Time limit for a review, including the wait for its slot.
const REVIEW_LIMIT: Duration = Duration::from_secs(10);

pub(super) struct Access {
    client: Client,
    decisions: Decisions,
    slots: Semaphore,
    log_throttle: LogThrottle,
}

/// The error of a review without a decision.
enum ReviewError {
    /// The API server did not respond in time.
    Timeout,
    /// The API server was unreachable, or rejected the review.
    Failed(kube::Error),
}

impl Access {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            decisions: Decisions::default(),
            slots: Semaphore::new(CONCURRENT_REVIEWS),
            log_throttle: LogThrottle::default(),
        }
    }

    async fn decide(&self, verb: &str, token: &str) -> Result<Decision, ReviewError> {
        let key = TokenHash::of(verb, token);
        if let Some(decision) = self.decisions.get(&key) {
            return Ok(decision);
        }
        let reviewed = timeout(REVIEW_LIMIT, async {
            // The semaphore is never closed.
            let _slot = self.slots.acquire().await;
            review(&self.client, verb, token).await
        });
        let decision = reviewed
            .await
            .map_err(|_| ReviewError::Timeout)?
            .map_err(ReviewError::Failed)?;
        self.decisions.insert(key, decision.clone());
        Ok(decision)
    }

    fn log(&self, error: &ReviewError) {
        let (reason, error) = match error {
            ReviewError::Timeout => (
                "timeout",
                format!("the API server did not respond within {REVIEW_LIMIT:?}"),
            ),
            ReviewError::Failed(kube::Error::Api(status)) if status.code == 403 => (
                "forbidden",
                format!(
                    "{}. Apply deploy/secure-metrics/access.yaml",
                    status.message
                ),
            ),
            ReviewError::Failed(error) => ("error", error.to_string()),
        };
        let key = LogKey {
            cloud: None,
            operation: "metrics_access",
            reason,
        };
        if self.log_throttle.should_log(key) {
            tracing::warn!(
                error,
                "cannot authorize a client of the metrics endpoint; the request is refused"
            );
        }
    }
}

/// Restricts these routes to authorized clients.
pub(super) fn guarded(routes: Router, access: Arc<Access>) -> Router {
    let routes = routes.route_layer(from_fn_with_state(access, guard));
    // This layer also covers requests without a route.
    routes.layer(map_response(close_on_failure))
}

/// Closes the connection after a failed request: connections are few, and a rejected
/// request every few seconds would otherwise hold one for ever.
async fn close_on_failure(mut response: Response) -> Response {
    if !response.status().is_success() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// Passes an authorized request on, or responds with an error.
async fn guard(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let Some(token) = bearer(request.headers()) else {
        return unauthorized();
    };
    let verb = request.method().as_str().to_ascii_lowercase();
    match access.decide(&verb, token).await {
        Ok(Decision::Allowed) => next.run(request).await,
        Ok(Decision::Denied { user }) => {
            let reason = format!("Forbidden: {user} may not {verb} /metrics\n");
            text_response(StatusCode::FORBIDDEN, reason)
        }
        Ok(Decision::Unknown) => unauthorized(),
        Err(error) => {
            access.log(&error);
            let reason = "the API server could not authorize this request: try again\n";
            text_response(StatusCode::SERVICE_UNAVAILABLE, reason.into())
        }
    }
}

fn unauthorized() -> Response {
    let mut response = text_response(StatusCode::UNAUTHORIZED, "Unauthorized\n".into());
    let bearer = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
    response
}

/// The token of the request. The name of the scheme is case-insensitive (RFC 9110,
/// 11.1). A text that is too long for a token counts as none.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    let fits = (1..=MAX_TOKEN_SIZE).contains(&token.len());
    (scheme.eq_ignore_ascii_case("bearer") && fits).then_some(token)
}
