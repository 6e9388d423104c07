//! What replicas are shown of Services: the truth, or what it was. Reads of a
//! single Service, and all writes, pass whatever is shown. Nodes can be shown otherwise too.

mod missed;
mod old_list;
mod rewrite;
mod shown;

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::body::Body;
use axum::response::Response;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Service;
use kube::api::WatchEvent;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::eventually::SOON;
use missed::Missed;
pub use old_list::OldList;
pub(super) use rewrite::Rewrite;
use shown::{Shown, lines};

/// What replicas are shown of Services.
pub struct View {
    frozen: watch::Sender<bool>,
    missed: Missed,
    old: Mutex<Option<OldList>>,
    rewrite: Rewrite,
    /// The same for Nodes.
    nodes: Rewrite,
    silent: watch::Sender<bool>,
    /// Watches of an earlier era have ended.
    era: watch::Sender<u64>,
    /// The era of the last watch that began.
    watched: watch::Sender<u64>,
}

impl View {
    pub(super) fn new() -> Self {
        Self {
            frozen: watch::Sender::new(false),
            missed: Missed::default(),
            old: Mutex::new(None),
            rewrite: Rewrite::default(),
            nodes: Rewrite::default(),
            silent: watch::Sender::new(false),
            era: watch::Sender::new(1),
            watched: watch::Sender::new(0),
        }
    }

    /// Events are held back from now on, on old and new watches.
    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    /// All that was held back is shown, in its order, and so is what follows.
    pub fn thaw(&self) {
        self.frozen.send_replace(false);
    }

    /// Events like these are never shown from now on.
    pub fn miss(&self, like: impl Fn(&WatchEvent<Service>) -> bool + Send + Sync + 'static) {
        self.missed.add(like);
    }

    /// Completes when so many events were not shown.
    ///
    /// # Errors
    /// It took too long.
    pub async fn missed(&self, count: usize) -> Result<()> {
        self.missed.reach(count).await
    }

    /// The watch is answered 410 Gone, and a list is answered with
    /// this one from then on, until [`View::show_truth`].
    pub fn go_back(&self, to: OldList) {
        *self.old.lock() = Some(to);
        self.end_watches();
    }

    /// The watch is answered 410 Gone, and from then on each Service is shown as this
    /// function makes it, in whatever way a replica reads it.
    pub fn rewrite(&self, change: impl Fn(&mut serde_json::Value) + Send + Sync + 'static) {
        self.rewrite.set(change);
        self.end_watches();
    }

    /// From now on each Node is shown as this function makes it. Watches go on: a Node is
    /// shown so after its next change.
    pub fn rewrite_nodes(&self, change: impl Fn(&mut serde_json::Value) + Send + Sync + 'static) {
        self.nodes.set(change);
    }

    /// How Nodes are shown.
    pub(super) fn nodes(&self) -> &Rewrite {
        &self.nodes
    }

    /// The answer to a watch of the Nodes.
    pub(super) fn watch_nodes(self: Arc<Self>, answer: Response) -> Response {
        let (parts, body) = answer.into_parts();
        let shown = lines(body).map(move |line| Ok::<_, axum::Error>(self.nodes.line(line)));
        Response::from_parts(parts, Body::from_stream(shown))
    }

    /// Lists and watches of Services, also those that have begun, carry nothing from now on,
    /// and are not closed.
    pub fn silence(&self) {
        self.silent.send_replace(true);
        self.freeze();
    }

    /// Waits for ever once it is silent.
    pub(super) async fn unless_silent(&self) {
        if *self.silent.borrow() {
            std::future::pending::<()>().await;
        }
    }

    /// How Services are shown.
    pub(super) fn rewrites(&self) -> &Rewrite {
        &self.rewrite
    }

    /// The watch is answered 410 Gone, and from then on all is shown as it is.
    pub fn show_truth(&self) {
        *self.old.lock() = None;
        self.rewrite.clear();
        self.nodes.clear();
        self.missed.clear();
        self.thaw();
        self.end_watches();
    }

    /// Completes when a replica has begun to watch since the last 410: it has
    /// listed before that.
    ///
    /// # Errors
    /// It took too long.
    pub async fn listed(&self) -> Result<()> {
        let era = *self.era.borrow();
        let mut watched = self.watched.subscribe();
        let begun = timeout(SOON, watched.wait_for(|watched| *watched >= era)).await;
        begun.with_context(|| format!("waited {SOON:?} for a watch after the last 410"))??;
        Ok(())
    }

    fn end_watches(&self) {
        self.era.send_modify(|era| *era += 1);
    }

    /// The answer to a list, unless it is the truth.
    pub(super) fn list(&self) -> Option<Response> {
        let old = self.old.lock();
        old.as_ref().map(OldList::answer)
    }

    /// A watch begins.
    pub(super) fn watch(self: &Arc<Self>) -> Shown {
        let era = *self.era.borrow();
        self.watched.send_replace(era);
        Shown::new(self.clone(), era)
    }
}
