//! The signs of life of a watch: every answer of the API server to its requests, and every
//! part of one. A leader that sees nothing would go on to renew its Lease and do nothing.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
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
/// API server is none: who is refused sees nothing.
pub fn listening(client: Client, pulse: Pulse) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, pulse) = (client.clone(), pulse.clone());
        async move {
            let answer = client.send(request).await?;
            let is_sign = answer.status().is_success();
            let beat = move || {
                if is_sign {
                    pulse.beat();
                }
            };
            beat();
            Ok::<_, kube::Error>(answer.map(|body| {
                body.map_frame(move |frame| {
                    beat();
                    frame
                })
            }))
        }
    });
    Client::new(service, namespace)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::Response;
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn answering(code: u16) -> Client {
        let answer = tower::service_fn(move |_: Request<Body>| async move {
            let answer = Response::builder().status(code);
            Ok::<_, Infallible>(answer.body(Body::from(b"{}".to_vec())).expect("an answer"))
        });
        Client::new(answer, "default")
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_and_each_part_of_it_are_signs_of_life_and_an_error_is_none() {
        for (code, is_sign) in [(200, true), (403, false), (500, false)] {
            let pulse = Pulse::default();
            advance(SECOND).await;
            let request = Request::get("/api/v1/nodes").body(Body::empty());
            let client = listening(answering(code), pulse.clone());
            let answer = client.send(request.expect("a request")).await;
            let expected = if is_sign { Duration::ZERO } else { SECOND };
            assert_eq!(pulse.silence(), expected, "the head of {code}");
            advance(SECOND).await;
            let body = answer.expect("an answer").into_body();
            body.collect_bytes().await.expect("a body");
            let expected = if is_sign { Duration::ZERO } else { 2 * SECOND };
            assert_eq!(pulse.silence(), expected, "the body of {code}");
        }
    }
}
