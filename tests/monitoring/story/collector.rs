//! A collector that accepts the traces of the replicas, or rejects them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

pub struct Collector {
    pub endpoint: String,
    works: Arc<AtomicBool>,
    server: AbortHandle,
}

impl Collector {
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let works = Arc::new(AtomicBool::new(true));
        let state = works.clone();
        // An empty body is a complete response of OTLP in protobuf.
        let respond = async |State(works): State<Arc<AtomicBool>>| {
            if works.load(Ordering::Relaxed) {
                StatusCode::OK
            } else {
                StatusCode::BAD_REQUEST
            }
        };
        let router = Router::new().fallback(respond).with_state(state);
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let server = server.abort_handle();
        Ok(Self {
            endpoint,
            works,
            server,
        })
    }

    pub fn works(&self, works: bool) {
        self.works.store(works, Ordering::Relaxed);
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}
