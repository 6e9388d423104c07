//! What is observed of each call: the raw material of metrics.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::wire::ApiCode;
use crate::plan::naming::CloudName;

/// What a call does; also the last part of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "lowercase")]
pub enum Verb {
    /// Creates a load balancer.
    Create,
    /// Deletes one.
    Delete,
    /// Changes one.
    Update,
    /// Reads one.
    Query,
    /// Reads one page of all.
    List,
}

impl Verb {
    /// Its name, in lower case.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether it changes something at the cloud.
    pub fn is_mutation(self) -> bool {
        matches!(self, Self::Create | Self::Delete | Self::Update)
    }
}

/// A kind of call to one cloud.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    pub cloud: CloudName,
    pub verb: Verb,
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cloud, verb } = self;
        write!(formatter, "{cloud} {verb}")
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// How a call ended: a closed set, fit for a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The status of an answer without a code of the API: `200`, `503`, ….
    Status(StatusCode),
    /// The API's own code.
    Api(ApiCode),
    /// A success status, but an error text without a code.
    Unspecified,
    /// No whole answer in time.
    Timeout,
    /// No connection: nothing was sent.
    Connect,
    /// The connection ended before the whole answer was there.
    ConnectionLost,
    /// An answer that the API does not know.
    Protocol,
    /// The caller stopped waiting.
    Cancelled,
    /// Not sent: no place among the calls in flight, or no turn, in time.
    Busy,
    /// Not sent: the cloud asked for a pause that outlasts the caller's patience.
    Paused,
    /// Not sent: the permit to write had ended.
    LeadershipLost,
    /// Not sent: the bearer token could not be read.
    Credentials,
}

impl Code {
    /// Its text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Status(status) => status.as_str(),
            Self::Api(code) => code.as_str(),
            Self::Unspecified => "unspecified",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::ConnectionLost => "connection_lost",
            Self::Protocol => "protocol",
            Self::Cancelled => "cancelled",
            Self::Busy => "busy",
            Self::Paused => "paused",
            Self::LeadershipLost => "leadership_lost",
            Self::Credentials => "credentials",
        }
    }
}

/// A call that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// At which cloud.
    pub cloud: CloudName,
    /// What it did.
    pub verb: Verb,
    /// How it ended.
    pub code: Code,
    /// How long it waited for its turn.
    pub waited: Duration,
    /// How long it took from its turn to its end; zero if it was not sent.
    pub took: Duration,
}

/// What happens to a call. A `Started` is followed by exactly one `Finished`,
/// whatever becomes of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEvent {
    /// It is in flight.
    Started {
        /// At which cloud.
        cloud: CloudName,
        /// What it does.
        verb: Verb,
    },
    /// It is no longer in flight.
    Finished(Call),
    /// It never was in flight.
    NotSent(Call),
    /// Its answer asked for a pause: no call is sent for so long.
    Paused {
        /// By which cloud.
        cloud: CloudName,
        /// For how long.
        length: Duration,
    },
}

/// Told of every call, on the calling task: it must not block.
pub type CallObserver = Arc<dyn Fn(&CallEvent) + Send + Sync>;

/// A call in flight; says `Finished` when dropped, so that a caller that stops
/// waiting does not leave the count of calls in flight too high for ever.
pub(super) struct InFlight<'a> {
    observer: &'a CallObserver,
    started: Instant,
    call: Call,
}

impl<'a> InFlight<'a> {
    pub(super) fn start(
        observer: &'a CallObserver,
        cloud: &CloudName,
        verb: Verb,
        waited: Duration,
    ) -> Self {
        let (cloud, started) = (cloud.clone(), Instant::now());
        observer(&CallEvent::Started {
            cloud: cloud.clone(),
            verb,
        });
        let (code, took) = (Code::Cancelled, Duration::ZERO);
        let call = Call {
            cloud,
            verb,
            code,
            waited,
            took,
        };
        Self {
            observer,
            started,
            call,
        }
    }

    /// Ends it; gives how long it took.
    pub(super) fn finish(mut self, code: Code) -> Duration {
        self.call.code = code;
        self.started.elapsed()
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.call.took = self.started.elapsed();
        (self.observer)(&CallEvent::Finished(self.call.clone()));
    }
}
