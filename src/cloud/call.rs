//! The events of each call, for metrics.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::wire::ApiCode;
use crate::plan::naming::CloudName;

/// The operation of a call; also the last part of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "lowercase")]
pub enum Verb {
    Create,
    Delete,
    Update,
    /// Takes the owner off.
    Release,
    /// Reads one load balancer.
    Query,
    /// Reads one page of the load balancers of a cluster.
    List,
    /// Reads what the cloud can do.
    Capabilities,
}

impl Verb {
    /// The name in lower case.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether the call changes a load balancer.
    pub fn is_mutation(self) -> bool {
        matches!(
            self,
            Self::Create | Self::Delete | Self::Update | Self::Release
        )
    }
}

/// An operation of one cloud.
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

/// The result of a call: a closed set, for the label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The status of a response without a code of the API: `200`, `503`, ….
    Status(StatusCode),
    /// The code of the API.
    Api(ApiCode),
    /// A success status with an error text and without a code.
    Unspecified,
    /// No complete response in time.
    Timeout,
    /// No connection, so the request was not sent.
    Connect,
    /// The connection ended before the response was complete.
    ConnectionLost,
    /// The response does not match the API.
    Protocol,
    /// The caller stopped waiting.
    Cancelled,
    /// Not sent: no slot, or no start under the rate limit, in time.
    Busy,
    /// Not sent: the cooldown of the cloud lasts longer than the call may wait.
    Paused,
    /// Not sent: the permit to write had ended.
    LeadershipLost,
    /// Not sent: the bearer token could not be read.
    Credentials,
}

impl Code {
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
    pub cloud: CloudName,
    pub verb: Verb,
    pub code: Code,
    /// Time until the call was sent, or failed to start.
    pub waited: Duration,
    /// Time from sending to the end; zero if the call was not sent.
    pub took: Duration,
}

/// Why an item of a list is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "lowercase")]
pub enum SkippedItem {
    /// It cannot be read, or its id, name or owner is invalid.
    Unreadable,
    /// It belongs to another cluster: the cloud ignores the owner of the request.
    Foreign,
}

impl SkippedItem {
    /// The name in lower case.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// An event of a call. Exactly one `Finished` follows each `Started`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEvent {
    /// The call is in flight.
    Started { cloud: CloudName, verb: Verb },
    /// The call is no longer in flight.
    Finished(Call),
    /// The call never was in flight.
    NotSent(Call),
    /// The response started a cooldown: no call is sent for this long.
    Paused { cloud: CloudName, length: Duration },
    /// An item of a list was left out.
    Skipped { cloud: CloudName, item: SkippedItem },
}

/// Receives the events on the task of the call; it must not block.
pub type CallObserver = Arc<dyn Fn(&CallEvent) + Send + Sync>;

/// A call in flight. It emits `Finished` when dropped, so that a cancelled call does
/// not stay in the number of calls in flight.
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

    /// Ends the call; returns its duration.
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
