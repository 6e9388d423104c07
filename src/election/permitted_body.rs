//! The body of a write, which is sent only as long as the leadership lasts.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};
use tower::BoxError;

use super::Leadership;

/// Checks the leadership once more when the connection asks for the body, which is right
/// before it writes. Between the permit and that moment are the waits for a connection and
/// for its handshake, and the process may be stopped in them.
///
/// A refused body ends the request with [`LeadershipLost`](super::LeadershipLost).
pub struct PermittedBody<B> {
    body: B,
    leadership: Option<Leadership>,
}

impl<B> PermittedBody<B> {
    /// The body of a request; without a leadership it is sent whenever the connection asks.
    pub const fn new(body: B, leadership: Option<Leadership>) -> Self {
        Self { body, leadership }
    }
}

impl<B> Body for PermittedBody<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        if let Some(Err(lost)) = self.leadership.as_ref().map(Leadership::permit) {
            return Poll::Ready(Some(Err(lost.into())));
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    /// Known as before, so that the request has a `Content-Length`.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
