//! The signs of life of a watch: every part of an answer of the API server, and its proper
//! end. A leader that sees nothing would go on to renew its Lease and do nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Request;
use hyper::body;
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use tokio::time::Instant;

/// When a watch showed the last sign of life. Clones share it.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Mutex<Instant>>);

impl Default for Pulse {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Pulse {
    /// Records a sign of life.
    pub fn beat(&self) {
        *self.0.lock() = Instant::now();
    }

    /// The time since the last sign of life.
    pub fn silence(&self) -> Duration {
        self.0.lock().elapsed()
    }
}

/// A client that records the signs of life in the answers to its requests. An error of the
/// API server is none: who is refused sees nothing. Nor is the head of an answer: what is
/// between may answer a watch and carry nothing of it.
pub fn listening(client: Client, pulse: Pulse) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, pulse) = (client.clone(), pulse.clone());
        async move {
            let answer = client.send(request).await?;
            let pulse = answer.status().is_success().then_some(pulse);
            Ok::<_, kube::Error>(answer.map(|body| Listening { body, pulse }))
        }
    });
    Client::new(service, namespace)
}

/// A body whose parts and end are signs of life.
struct Listening {
    body: Body,
    /// `None` for that of an error.
    pulse: Option<Pulse>,
}

impl body::Body for Listening {
    type Data = <Body as body::Body>::Data;
    type Error = <Body as body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<body::Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let is_sign = !matches!(frame, Some(Err(_)));
        if let Some(pulse) = self.pulse.as_ref().filter(|_| is_sign) {
            pulse.beat();
        }
        Poll::Ready(frame)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io::{self, ErrorKind};

    use futures::{StreamExt, stream};
    use http::Response;
    use http_body_util::StreamBody;
    use hyper::body::{Bytes, Frame};
    use tokio::time::{advance, sleep};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LOST: Result<&str, ErrorKind> = Err(ErrorKind::ConnectionReset);

    type Parts = &'static [Result<&'static str, ErrorKind>];

    /// A client of an API server that answers with this code and these parts of a body.
    fn answering(code: u16, parts: Parts) -> Client {
        let answer = tower::service_fn(move |_: Request<Body>| async move {
            let parts = stream::iter(parts).then(|part| async move {
                sleep(SECOND).await;
                part.map(|text| Frame::data(Bytes::from_static(text.as_bytes())))
                    .map_err(io::Error::from)
            });
            let answer = Response::builder().status(code);
            let body = StreamBody::new(Box::pin(parts));
            Ok::<_, Infallible>(answer.body(body).expect("an answer"))
        });
        Client::new(answer, "default")
    }

    #[tokio::test(start_paused = true)]
    async fn the_parts_of_an_answer_and_its_end_are_signs_of_life_and_an_error_is_none() {
        type Case = (u16, Parts, u32, &'static str);
        let cases: [Case; 6] = [
            (200, &[Ok("{"), Ok("}")], 0, "the last part is the end"),
            (200, &[], 0, "the API server ended a watch without an event"),
            (
                200,
                &[Ok("{"), LOST],
                1,
                "the first part came a second before",
            ),
            (200, &[LOST], 2, "nothing but the head arrived"),
            (403, &[Ok("{}")], 2, "it was refused"),
            (500, &[Ok("{}")], 2, "it failed"),
        ];
        for (code, parts, silence, why) in cases {
            let pulse = Pulse::default();
            advance(SECOND).await;
            let request = Request::get("/api/v1/nodes").body(Body::empty());
            let client = listening(answering(code, parts), pulse.clone());
            let answer = client.send(request.expect("a request")).await;
            let body = answer.expect("an answer").into_body();
            let _read = body.collect_bytes().await;
            assert_eq!(pulse.silence(), silence * SECOND, "{why}");
        }
    }
}
