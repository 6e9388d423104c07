//! A watch of all objects of a kind that cannot stay dead, and that begins anew when the
//! data of the API server may have gone back in time.

use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use http::StatusCode;
use kube::Resource;
use kube::api::Api;
use kube::runtime::watcher::{self, Event, watcher};
use serde::de::DeserializeOwned;
use tokio::sync;
use tokio::time::{Instant, sleep};

use super::reads::PAGE_SIZE;

/// The first pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(800);
/// The longest pause, if the watches last long ([`WatchTiming::longest_pause`]).
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// After so many failures in a row, about half a minute, a list is worth its cost: the API
/// server may never take the version of the watch.
const PATIENCE: u32 = 6;
/// The pauses begin anew after this time without a failure.
const CALM: Duration = Duration::from_secs(60);

/// For how long a watch may show no sign of life. All of it follows from the time after
/// which the API server ends each watch: the next one begins at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchTiming {
    timeout: Duration,
}

impl WatchTiming {
    /// The timing for watches that the API server ends after `timeout`, in whole seconds.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout }
    }

    /// A connection that carries nothing for this time is dead: the API server shows a sign
    /// of life at the end of a watch at the latest. Shorter than the margin of kube-runtime,
    /// 5 s, so that it counts as a failure.
    pub fn connection_silence(self) -> Duration {
        self.timeout.mul_f64(1.2)
    }

    /// A replica that has seen nothing for this time is not ready: the next connection has
    /// failed too.
    pub fn not_ready_after(self) -> Duration {
        self.timeout.mul_f64(2.25)
    }

    /// The longest pause after failures: much shorter than what remains, after a dead
    /// connection was found, of the time until the replica is not ready. So no pause of ours
    /// makes a watch count as silent.
    fn longest_pause(self) -> Duration {
        self.timeout.mul_f64(0.4).min(LONGEST_PAUSE)
    }

    /// A replica that has seen nothing for this time does not lead.
    pub fn blind_after(self) -> Duration {
        3 * self.timeout
    }

    /// Time between two looks at the version of the API server's data.
    pub fn version_interval(self) -> Duration {
        self.timeout / 2
    }

    fn settings(self) -> watcher::Config {
        let seconds = self.timeout.as_secs().max(1);
        watcher::Config {
            page_size: Some(PAGE_SIZE),
            timeout: Some(u32::try_from(seconds).unwrap_or(u32::MAX)),
            ..watcher::Config::default()
        }
    }
}

/// The events of all objects, for ever. After a failure it pauses; it begins anew, from a
/// list, with each new value of `eras`, after a failure to start ([`needs_a_list`]) and after many
/// failures.
///
/// A store swaps only after the last page of a list (measured with kube-runtime 4.2), so
/// that nothing may act on an object of a list before.
pub(super) fn events<K>(
    api: Api<K>,
    timing: WatchTiming,
    eras: sync::watch::Receiver<u64>,
) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let watch = Watch {
        events: begin(&api, timing),
        api,
        timing,
        eras,
        pauses: Pauses::new(timing.longest_pause()),
        failures: 0,
        pause: None,
    };
    stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await;
        Some((event, watch))
    })
}

type Events<K> = Pin<Box<dyn Stream<Item = Result<Event<K>, watcher::Error>> + Send>>;

fn begin<K>(api: &Api<K>, timing: WatchTiming) -> Events<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    watcher(api.clone(), timing.settings()).boxed()
}

struct Watch<K> {
    events: Events<K>,
    api: Api<K>,
    timing: WatchTiming,
    eras: sync::watch::Receiver<u64>,
    pauses: Pauses,
    /// The failures in a row.
    failures: u32,
    /// To be waited for before the next event.
    pause: Option<Duration>,
}

impl<K> Watch<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    async fn next(&mut self) -> Result<Event<K>, watcher::Error> {
        loop {
            let next = async {
                if let Some(pause) = self.pause {
                    sleep(pause).await;
                    self.pause = None;
                }
                self.events.next().await
            };
            let event = tokio::select! {
                biased;
                // An error means that the process is about to end.
                Ok(()) = self.eras.changed() => {
                    self.begin_anew();
                    continue;
                }
                event = next => event,
            };
            // A watcher never ends; if it did, a new one would go on.
            let Some(event) = event else {
                self.begin_anew();
                self.pause = Some(self.pauses.next());
                continue;
            };
            if let Err(error) = &event {
                self.pause = Some(self.pauses.next());
                self.failures += 1;
                if needs_a_list(error) || self.failures >= PATIENCE {
                    self.begin_anew();
                }
            } else {
                self.failures = 0;
            }
            return event;
        }
    }

    fn begin_anew(&mut self) {
        self.failures = 0;
        self.events = begin(&self.api, self.timing);
    }
}

/// Whether there was no connection, or the API server refused the watch: it may be another
/// one now, or have other data, and would show nothing to a watch from a version that it has
/// not reached. One that is busy or fails is asked for the same watch again: a list would
/// cost it much more.
fn needs_a_list(error: &watcher::Error) -> bool {
    use watcher::Error;
    match error {
        Error::WatchStartFailed(kube::Error::Api(status))
        | Error::WatchFailed(kube::Error::Api(status)) => {
            status.code != StatusCode::TOO_MANY_REQUESTS.as_u16() && status.code < 500
        }
        Error::WatchStartFailed(_) => true,
        _ => false,
    }
}

/// The pauses after failures: each is twice as long as the one before.
#[derive(Debug)]
struct Pauses {
    longest: Duration,
    /// The last failure, and the pause after it.
    last: Option<(Instant, Duration)>,
}

impl Pauses {
    fn new(longest: Duration) -> Self {
        Self {
            longest,
            last: None,
        }
    }

    fn next(&mut self) -> Duration {
        let now = Instant::now();
        let pause = match self.last {
            Some((failed, pause)) if now < failed + pause + CALM => (2 * pause).min(self.longest),
            _ => FIRST_PAUSE.min(self.longest),
        };
        self.last = Some((now, pause));
        // Replicas that lost the same API server do not come back at the same instant.
        pause.mul_f64(0.8 + 0.2 * fastrand::f64())
    }
}

#[cfg(test)]
mod tests;
