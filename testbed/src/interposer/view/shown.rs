//! One watch, event by event: held back while the view is frozen, some never
//! shown, ended by 410 when the view goes elsewhere.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use super::View;

/// kube-apiserver's answer to a watch that cannot go on from its version.
const GONE: &str = concat!(
    r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version","reason":"Expired","code":410}}"#,
    "\n"
);

pub(in crate::interposer) struct Shown {
    view: Arc<View>,
    era: u64,
}

impl Shown {
    pub(super) fn new(view: Arc<View>, era: u64) -> Self {
        Self { view, era }
    }

    /// What the caller gets instead of this answer.
    pub(in crate::interposer) fn show(self, answer: Response) -> Response {
        if !answer.status().is_success() {
            return answer;
        }
        let (parts, body) = answer.into_parts();
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(self.pass_on(body, sender));
        let shown = stream::unfold(receiver, |mut receiver| async move {
            receiver
                .recv()
                .await
                .map(|line| (Ok::<_, axum::Error>(line), receiver))
        });
        Response::from_parts(parts, Body::from_stream(shown))
    }

    async fn pass_on(self, body: Body, to: mpsc::UnboundedSender<Bytes>) {
        let mut events = std::pin::pin!(lines(body));
        let mut has_ended = false;
        let mut held = VecDeque::new();
        let (mut era, mut frozen) = (self.view.era.subscribe(), self.view.frozen.subscribe());
        while !(has_ended && held.is_empty()) {
            tokio::select! {
                biased;
                () = to.closed() => return,
                () = reached(era.wait_for(|era| *era != self.era)) => {
                    // The caller may be gone.
                    let _ = to.send(Bytes::from_static(GONE.as_bytes()));
                    return;
                }
                () = reached(frozen.wait_for(|frozen| !frozen)), if !held.is_empty() => {
                    for event in held.drain(..) {
                        let _ = to.send(event);
                    }
                }
                event = events.next(), if !has_ended => match event {
                    Some(event) if self.view.missed.takes(&event) => {}
                    Some(event) => held.push_back(self.view.rewrite.line(event)),
                    None if *self.view.silent.borrow() => std::future::pending().await,
                    None => has_ended = true,
                },
            }
        }
    }
}

/// Without what is borrowed to look: that must not be held for long.
async fn reached<T, E>(wait: impl Future<Output = Result<T, E>>) {
    let _ = wait.await;
}

/// A body, line by line; an error ends it.
pub(super) fn lines(body: Body) -> impl Stream<Item = Bytes> {
    let chunks = body.into_data_stream();
    stream::unfold((chunks, Vec::new()), |(mut chunks, mut rest)| async move {
        loop {
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let after = rest.split_off(end + 1);
                return Some((Bytes::from(rest), (chunks, after)));
            }
            match chunks.next().await {
                Some(Ok(chunk)) => rest.extend_from_slice(&chunk),
                _ => return None,
            }
        }
    })
}
