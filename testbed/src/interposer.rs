//! Stands between a replica and everything that it writes to, counts the
//! writes, and lets one of them go wrong.
//!
//! A write is a PATCH of a Service, or a create, update or delete at a cloud:
//! one count for all of them, so that "the third write" is a point in the
//! protocol, wherever it goes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, header};
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::api::{Api, DeleteParams};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::control_plane::client_for;

/// Larger than any request or answer that matters here.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// How a write goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// It does not arrive; the caller is told that nobody knows (504).
    Drop,
    /// It is carried out; the caller is told that nobody knows (504).
    LoseAnswer,
    /// It is carried out and never answered: the moment to kill the caller.
    Freeze,
    /// Of a finalizer patch: the Service is deleted first, for good, and the
    /// patch is answered as if it had come before. kube-apiserver v1.37.2 was
    /// seen to do so, now and then, to a patch that raced a DELETE.
    Vanish,
}

/// Counts writes and strikes one.
#[derive(Debug)]
pub struct Interposer {
    writes: AtomicUsize,
    planned: Mutex<Option<(usize, Strike)>>,
    struck: watch::Sender<bool>,
}

/// A place where the interposer listens, until dropped.
#[derive(Debug)]
pub struct Front {
    /// What to call instead of what is behind it.
    pub url: String,
    _stop: DropGuard,
}

impl Interposer {
    /// Lets everything pass.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            writes: AtomicUsize::new(0),
            planned: Mutex::new(None),
            struck: watch::Sender::new(false),
        })
    }

    /// The n-th write from now on (from 1) goes wrong.
    pub fn strike(&self, nth: usize, strike: Strike) {
        let at = self.writes() + nth;
        *self.planned.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, strike));
    }

    /// Writes so far.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// Whether it has struck.
    pub fn has_struck(&self) -> bool {
        *self.struck.borrow()
    }

    /// Completes when it has struck and, unless dropped, the write is done.
    pub async fn struck(&self) {
        // The sender lives in self, so the wait cannot fail.
        let _ = self.struck.subscribe().wait_for(|struck| *struck).await;
    }

    /// Listens before a cloud.
    ///
    /// # Errors
    /// No port is free.
    pub async fn before_cloud(self: &Arc<Self>, endpoint: &str) -> Result<Front> {
        let behind = Behind::Cloud(endpoint.to_owned(), reqwest::Client::new());
        self.clone().listen(behind).await
    }

    /// Listens before kube-apiserver, passing everything on as the user of the
    /// kubeconfig; gives a kubeconfig for it too. What a strike does beside is
    /// the administrator's doing.
    ///
    /// # Errors
    /// The kubeconfig does not make sense, or no port is free.
    pub async fn before_api_server(
        self: &Arc<Self>,
        kubeconfig: &Path,
        administrator: Client,
        write_to: &Path,
    ) -> Result<(Front, PathBuf)> {
        let client = client_for(kubeconfig).await?;
        let behind = Behind::ApiServer {
            client,
            administrator,
        };
        let front = self.clone().listen(behind).await?;
        let content = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "interposer",
            "clusters": [{"name": "interposer", "cluster": {"server": front.url}}],
            "users": [{"name": "interposer", "user": {}}],
            "contexts": [{"name": "interposer", "context": {"cluster": "interposer", "user": "interposer"}}],
        });
        let path = write_to.join("interposer.kubeconfig");
        std::fs::write(&path, content.to_string())?;
        Ok((front, path))
    }

    async fn listen(self: Arc<Self>, behind: Behind) -> Result<Front> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let router = Router::new().fallback(handle).with_state(Carrier {
            interposer: self,
            behind: Arc::new(behind),
        });
        let serve = axum::serve(listener, router).into_future();
        let stopped = stop.clone();
        tokio::spawn(async move { stopped.run_until_cancelled_owned(serve).await });
        Ok(Front {
            url,
            _stop: stop.drop_guard(),
        })
    }

    /// Counts a write; gives how it goes wrong, if it does.
    fn count(&self) -> Option<Strike> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let planned = *self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        planned
            .filter(|(at, _)| *at == number)
            .map(|(_, strike)| strike)
    }
}

/// What is behind a front.
enum Behind {
    ApiServer {
        client: Client,
        administrator: Client,
    },
    Cloud(String, reqwest::Client),
}

impl Behind {
    fn is_write(&self, request: &Request) -> bool {
        let path = request.uri().path();
        match self {
            Self::ApiServer { .. } => {
                request.method() == Method::PATCH && path.contains("/services/")
            }
            Self::Cloud(..) => ["/create", "/update", "/delete"]
                .iter()
                .any(|verb| path.ends_with(verb)),
        }
    }

    async fn carry(&self, request: Request) -> Result<Response> {
        let (mut parts, body) = request.into_parts();
        let body = to_bytes(body, BODY_LIMIT).await?;
        match self {
            Self::ApiServer { client, .. } => {
                // The client has its own host and its own way to authenticate.
                parts.headers.remove(header::HOST);
                parts.headers.remove(header::CONTENT_LENGTH);
                let request = Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
                let answer = client.send(request).await?;
                let (mut parts, body) = answer.into_parts();
                drop_hop_by_hop(&mut parts.headers);
                Ok(Response::from_parts(parts, Body::new(body)))
            }
            Self::Cloud(endpoint, client) => {
                let path = parts.uri.path_and_query().context("a path")?;
                parts.headers.remove(header::HOST);
                let request = client.request(parts.method, format!("{endpoint}{path}"));
                let answer = request.headers(parts.headers).body(body).send().await?;
                let (status, mut headers) = (answer.status(), answer.headers().clone());
                drop_hop_by_hop(&mut headers);
                Ok((status, headers, answer.bytes().await?).into_response())
            }
        }
    }
}

impl Behind {
    /// See [`Strike::Vanish`].
    async fn vanish(&self, request: Request) -> Result<Response> {
        let Self::ApiServer { administrator, .. } = self else {
            bail!("only a Service can vanish");
        };
        let path = request.uri().path().to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        let [
            "",
            "api",
            "v1",
            "namespaces",
            namespace,
            "services",
            name,
            "status",
        ] = parts[..]
        else {
            bail!("{path} is no status of a Service");
        };
        let patch = to_bytes(request.into_body(), BODY_LIMIT).await?;
        let patch: serde_json::Value = serde_json::from_slice(&patch)?;
        let services: Api<Service> = Api::namespaced(administrator.clone(), namespace);
        let mut answer = serde_json::to_value(services.get(name).await?)?;
        answer["metadata"]["finalizers"] = patch["metadata"]["finalizers"].clone();
        services.delete(name, &DeleteParams::default()).await?;
        Ok(axum::Json(answer).into_response())
    }
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    for name in [
        header::TRANSFER_ENCODING,
        header::CONTENT_LENGTH,
        header::CONNECTION,
    ] {
        headers.remove(name);
    }
}

#[derive(Clone)]
struct Carrier {
    interposer: Arc<Interposer>,
    behind: Arc<Behind>,
}

async fn handle(State(carrier): State<Carrier>, request: Request) -> Response {
    let Carrier { interposer, behind } = carrier;
    let strike = if behind.is_write(&request) {
        interposer.count()
    } else {
        None
    };
    let unknown = || StatusCode::GATEWAY_TIMEOUT.into_response();
    if strike == Some(Strike::Drop) {
        interposer.struck.send_replace(true);
        return unknown();
    }
    // Carried out even if the caller gives up: it has arrived.
    let carry = async move {
        match strike {
            Some(Strike::Vanish) => behind.vanish(request).await,
            _ => behind.carry(request).await,
        }
    };
    let carried = tokio::spawn(carry).await;
    if strike.is_some() {
        interposer.struck.send_replace(true);
    }
    match (strike, carried) {
        (Some(Strike::Freeze), _) => std::future::pending().await,
        (Some(Strike::Drop | Strike::LoseAnswer), _) => unknown(),
        (Some(Strike::Vanish) | None, Ok(Ok(answer))) => answer,
        (Some(Strike::Vanish) | None, _) => StatusCode::BAD_GATEWAY.into_response(),
    }
}
