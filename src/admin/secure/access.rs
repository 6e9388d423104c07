//! Who is let in. Nobody is unless the API server said so.

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
use crate::admin::answer_text;
use crate::telemetry::log_throttle::{LogKey, LogThrottle};

/// Tokens that are asked about at a time: a flood of them is not passed on to
/// the API server.
const AT_ONCE: usize = 4;
/// Most bytes of a token; those of a ServiceAccount have about a thousand.
const LONGEST: usize = 16 * 1024;
/// The longest that the API server may take, the wait for a place included.
const ASKING: Duration = Duration::from_secs(10);

pub(super) struct Access {
    client: Client,
    decisions: Decisions,
    places: Semaphore,
    repeats: LogThrottle,
}

/// Why there is no decision.
enum Undecided {
    /// The API server did not answer in time.
    Timeout,
    /// It could not be asked, or refused us.
    Failed(kube::Error),
}

impl Access {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            decisions: Decisions::default(),
            places: Semaphore::new(AT_ONCE),
            repeats: LogThrottle::default(),
        }
    }

    async fn decide(&self, verb: &str, token: &str) -> Result<Decision, Undecided> {
        let key = TokenHash::of(verb, token);
        if let Some(decision) = self.decisions.get(&key) {
            return Ok(decision);
        }
        let asked = timeout(ASKING, async {
            // Nobody closes it.
            let _place = self.places.acquire().await;
            review(&self.client, verb, token).await
        });
        let decision = asked
            .await
            .map_err(|_| Undecided::Timeout)?
            .map_err(Undecided::Failed)?;
        self.decisions.keep(key, decision.clone());
        Ok(decision)
    }

    fn log(&self, undecided: &Undecided) {
        let (reason, error) = match undecided {
            Undecided::Timeout => (
                "timeout",
                format!("the API server did not respond within {ASKING:?}"),
            ),
            Undecided::Failed(kube::Error::Api(status)) if status.code == 403 => (
                "forbidden",
                format!("{}. Apply deploy/secure-metrics.yaml", status.message),
            ),
            Undecided::Failed(error) => ("error", error.to_string()),
        };
        let kind = LogKey {
            cloud: None,
            operation: "metrics_access",
            reason,
        };
        if self.repeats.should_log(kind) {
            tracing::warn!(
                error,
                "cannot authorize a client of the metrics endpoint; the request is refused"
            );
        }
    }
}

/// These routes, for who may.
pub(super) fn guarded(routes: Router, access: Arc<Access>) -> Router {
    let routes = routes.route_layer(from_fn_with_state(access, guard));
    // Around what there is no route for, too.
    routes.layer(map_response(let_go))
}

/// Who gets nothing here does not keep a place either: they are few, and a
/// question in vain every few seconds would hold one for ever.
async fn let_go(mut answer: Response) -> Response {
    if !answer.status().is_success() {
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(CONNECTION, close);
    }
    answer
}

/// Lets a request through, or answers it.
async fn guard(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let Some(token) = bearer(request.headers()) else {
        return unauthorized();
    };
    let verb = request.method().as_str().to_ascii_lowercase();
    match access.decide(&verb, token).await {
        Ok(Decision::Allowed) => next.run(request).await,
        Ok(Decision::Denied { user }) => {
            let reason = format!("Forbidden: {user} may not {verb} /metrics\n");
            answer_text(StatusCode::FORBIDDEN, reason)
        }
        Ok(Decision::Unknown) => unauthorized(),
        Err(undecided) => {
            access.log(&undecided);
            let reason = "the API server could not authorize this request: try again\n";
            answer_text(StatusCode::SERVICE_UNAVAILABLE, reason.into())
        }
    }
}

fn unauthorized() -> Response {
    let mut answer = answer_text(StatusCode::UNAUTHORIZED, "Unauthorized\n".into());
    let bearer = HeaderValue::from_static("Bearer");
    answer.headers_mut().insert(WWW_AUTHENTICATE, bearer);
    answer
}

/// The token; the scheme's name may be written in any case (RFC 9110, 11.1).
/// What is far too long for one is not passed on.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    let fits = (1..=LONGEST).contains(&token.len());
    (scheme.eq_ignore_ascii_case("bearer") && fits).then_some(token)
}
