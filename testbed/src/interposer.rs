//! Stands between a replica and everything that it reads and writes, and lets
//! something go wrong: one write ([`Strike`]), or what the replica is shown of
//! Services ([`View`]).
//!
//! A write is a PATCH of a Service, or a create, update or delete at a cloud:
//! one count for all of them, so that "the third write" is a point in the
//! protocol, wherever it goes.

mod behind;
mod strike;
mod view;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use kube::Client;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::control_plane::client_for;
use behind::{Behind, Kind};
use strike::Strikes;

pub use behind::pass_on;
pub use strike::Strike;
pub use view::{OldList, View};

/// Counts writes and strikes one; shows Services as [`View`] has them.
pub struct Interposer {
    strikes: Strikes,
    view: Arc<View>,
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
            strikes: Strikes::new(),
            view: Arc::new(View::new()),
        })
    }

    /// What replicas are shown of Services.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The n-th write from now on (from 1) goes wrong.
    pub fn strike(&self, nth: usize, strike: Strike) {
        self.strikes.plan(nth, strike);
    }

    /// Writes so far.
    pub fn writes(&self) -> usize {
        self.strikes.writes()
    }

    /// Whether it has struck.
    pub fn has_struck(&self) -> bool {
        self.strikes.has_struck()
    }

    /// Completes when it has struck and, unless dropped, the write is done.
    pub async fn struck(&self) {
        self.strikes.struck().await;
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
}

#[derive(Clone)]
struct Carrier {
    interposer: Arc<Interposer>,
    behind: Arc<Behind>,
}

async fn handle(State(carrier): State<Carrier>, request: Request) -> Response {
    let view = carrier.interposer.view.clone();
    let is_of_services = carrier.behind.is_of_services(&request);
    let answer = match carrier.behind.kind(&request) {
        Kind::Write => carrier.write(request).await,
        Kind::List => {
            view.unless_silent().await;
            match view.list() {
                Some(old) => old,
                None => answer_of(carrier.behind.carry(request).await),
            }
        }
        Kind::Watch => {
            view.unless_silent().await;
            // Before the request: if the view goes elsewhere meanwhile, this watch ends.
            let shown = view.watch();
            return shown.show(answer_of(carrier.behind.carry(request).await));
        }
        Kind::Nodes => {
            let answer = answer_of(carrier.behind.carry(request).await);
            return view.nodes().answer(answer).await;
        }
        Kind::NodeWatch => {
            let answer = answer_of(carrier.behind.carry(request).await);
            return view.watch_nodes(answer);
        }
        Kind::Other => answer_of(carrier.behind.carry(request).await),
    };
    if is_of_services {
        view.rewrites().answer(answer).await
    } else {
        answer
    }
}

impl Carrier {
    async fn write(self, request: Request) -> Response {
        let Self { interposer, behind } = self;
        let strike = interposer.strikes.count();
        let unknown = || StatusCode::GATEWAY_TIMEOUT.into_response();
        if strike == Some(Strike::Drop) {
            interposer.strikes.done();
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
            interposer.strikes.done();
        }
        match (strike, carried) {
            (Some(Strike::Freeze), _) => std::future::pending().await,
            (Some(Strike::Drop | Strike::LoseAnswer), _) => unknown(),
            (Some(Strike::Vanish) | None, Ok(carried)) => answer_of(carried),
            (Some(Strike::Vanish) | None, Err(_)) => StatusCode::BAD_GATEWAY.into_response(),
        }
    }
}

fn answer_of(carried: Result<Response>) -> Response {
    carried.unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
}
