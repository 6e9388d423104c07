//! Between a candidate and kube-apiserver: holds writes of a Lease back, and
//! shows a candidate the time that another clock would.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use kube::{Client, Config};
use serde_json::Value;
use testbed::interposer::pass_on;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

/// For a request that must come.
const SOON: Duration = Duration::from_secs(30);

/// Larger than any Lease.
const LIMIT: usize = 1 << 20;

/// What candidates call instead of kube-apiserver. It lasts as long as the runtime.
#[derive(Clone)]
pub struct Gate {
    client: Client,
    /// How far the candidates' wall clock is ahead of the machine's.
    ahead: SignedDuration,
    is_open: Arc<watch::Sender<bool>>,
    held: Arc<watch::Sender<usize>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Gate {
    /// An open one, and the configuration that goes through it.
    pub async fn before(direct: &Config) -> Result<(Self, Config)> {
        Self::for_clock(direct, SignedDuration::ZERO).await
    }

    /// For candidates whose wall clock is ahead: every time that they write is
    /// later by that much, and every time that they read is earlier. So it is
    /// for them as if their own clock were wrong.
    pub async fn for_clock(direct: &Config, ahead: SignedDuration) -> Result<(Self, Config)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut through = Config::new(format!("http://{}", listener.local_addr()?).parse()?);
        through.default_retry = false;
        let gate = Self {
            client: Client::try_from(direct.clone())?,
            ahead,
            is_open: Arc::new(watch::Sender::new(true)),
            held: Arc::default(),
            answers: Arc::default(),
        };
        let router = Router::new().fallback(handle).with_state(gate.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        Ok((gate, through))
    }

    /// From now on patches wait here, as if their sender were frozen.
    pub fn close(&self) {
        self.is_open.send_replace(false);
    }

    /// Lets all pass that waits, even if its sender has given up.
    pub fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Waits until that many patches have been held back.
    pub async fn holds(&self, count: usize) -> Result<()> {
        let mut held = self.held.subscribe();
        let enough = timeout(SOON, held.wait_for(|held| *held >= count)).await;
        enough.with_context(|| format!("waited {SOON:?} for {count} patches"))??;
        Ok(())
    }

    /// Waits until the patches that were held back are answered; gives the
    /// codes, in that order.
    pub async fn answers(&self) -> Result<Vec<u16>> {
        let wanted = *self.held.borrow();
        testbed::eventually("the held patches to be answered", SOON, async || {
            let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            Ok((answers.len() >= wanted).then(|| answers.clone()))
        })
        .await
    }

    async fn carry(&self, request: Request) -> Result<Response> {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, LIMIT).await?;
        let body = Body::from(turned(&body, self.ahead));
        let is_watch = head
            .uri
            .query()
            .is_some_and(|query| query.contains("watch="));
        let is_held = head.method == Method::PATCH && !*self.is_open.borrow();
        if is_held {
            self.held.send_modify(|held| *held += 1);
            self.is_open
                .subscribe()
                .wait_for(|is_open| *is_open)
                .await?;
        }
        let answer = pass_on(&self.client, Request::from_parts(head, body)).await?;
        if is_watch {
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, LIMIT).await?;
        if is_held {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.push(head.status.as_u16());
        }
        Ok(Response::from_parts(
            head,
            Body::from(turned(&body, -self.ahead)),
        ))
    }
}

async fn handle(State(gate): State<Gate>, request: Request) -> Response {
    // Carried even if its sender gives up: it is on its way.
    let carried = tokio::spawn(async move { gate.carry(request).await }).await;
    match carried {
        Ok(Ok(answer)) => answer,
        _ => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// A Lease, or a patch of one, with its times moved.
fn turned(body: &[u8], by: SignedDuration) -> Vec<u8> {
    let Ok(mut lease) = serde_json::from_slice::<Value>(body) else {
        return body.to_vec();
    };
    for field in ["renewTime", "acquireTime"] {
        let time = lease.pointer_mut(&format!("/spec/{field}"));
        if let Some(Value::String(text)) = time
            && let Ok(time) = text.parse::<Timestamp>()
        {
            *text = format!("{:.6}", time + by);
        }
    }
    lease.to_string().into_bytes()
}
