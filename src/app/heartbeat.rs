//! Liveness of the components: the task of each component records a heartbeat.
//!
//! A component that awaits a cloud, the API server or work is healthy, however long
//! it waits. A component that blocks its thread (a deadlock, an endless loop) is not;
//! without heartbeats that would go unnoticed as long as another thread answers the
//! probes and renews the Lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

/// Interval at which an idle component is woken for its heartbeat.
const INTERVAL: Duration = Duration::from_secs(10);
/// Age of a heartbeat from which its component counts as stuck. No step of a working
/// component takes this long, even in a pod that is short of CPU.
const STUCK: Duration = Duration::from_secs(60);

/// The last heartbeat of one component.
pub(super) struct Heartbeat {
    last: Mutex<Instant>,
    has_ended: AtomicBool,
}

/// Marks the heartbeat as ended when the task ends, also if the task panics.
struct HeartbeatGuard(Arc<Heartbeat>);

impl Drop for HeartbeatGuard {
    fn drop(&mut self) {
        self.0.has_ended.store(true, Ordering::Release);
    }
}

impl Heartbeat {
    /// Wraps a component so that it records its heartbeat; returns both.
    pub(super) fn of<F>(component: F) -> (impl Future<Output = F::Output>, Arc<Self>)
    where
        F: Future,
    {
        Self::every(INTERVAL, component)
    }

    fn every<F>(interval: Duration, component: F) -> (impl Future<Output = F::Output>, Arc<Self>)
    where
        F: Future,
    {
        let heartbeat = Arc::new(Self {
            last: Mutex::new(Instant::now()),
            has_ended: AtomicBool::new(false),
        });
        let guard = HeartbeatGuard(heartbeat.clone());
        let wrapped = async move {
            let mut component = std::pin::pin!(component);
            loop {
                guard.0.record();
                tokio::select! {
                    biased;
                    output = &mut component => return output,
                    () = sleep(interval) => {}
                }
            }
        };
        (wrapped, heartbeat)
    }

    fn record(&self) {
        *self.last.lock() = Instant::now();
    }

    /// # Errors
    /// The component has ended or is stuck.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.has_ended.load(Ordering::Acquire) {
            return Err("the component has ended".to_owned());
        }
        let age = self.last.lock().elapsed();
        if age >= STUCK {
            return Err(format!(
                "the component has been stuck for {} s",
                age.as_secs()
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_component_that_only_waits_is_alive() {
        let (component, heartbeat) = Heartbeat::of(std::future::pending::<()>());
        let task = tokio::spawn(component);
        sleep(100 * STUCK).await;
        assert_eq!(heartbeat.check(), Ok(()));
        task.abort();
        let _ = task.await;
        assert_eq!(heartbeat.check(), Err("the component has ended".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_component_that_is_not_polled_is_stuck_until_it_is() {
        // Never polled, as on a thread that a deadlock blocks.
        let (component, heartbeat) = Heartbeat::of(std::future::pending::<()>());
        advance(STUCK - Duration::from_secs(1)).await;
        assert_eq!(heartbeat.check(), Ok(()), "slow is not stuck");
        advance(Duration::from_secs(1)).await;
        assert_eq!(
            heartbeat.check(),
            Err("the component has been stuck for 60 s".to_owned())
        );
        let _task = tokio::spawn(component);
        sleep(INTERVAL).await;
        assert_eq!(heartbeat.check(), Ok(()), "the component continues");
    }

    #[tokio::test(start_paused = true)]
    async fn a_component_that_panics_has_ended() {
        let (component, heartbeat) = Heartbeat::of(async { panic!("on purpose") });
        assert!(tokio::spawn(component).await.is_err());
        assert_eq!(heartbeat.check(), Err("the component has ended".to_owned()));
    }

    /// On a real runtime: one thread is blocked for good, the other one works.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_blocked_thread_stops_one_heartbeat_and_no_other() {
        const OFTEN: Duration = Duration::from_millis(20);
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (stuck, stuck_heartbeat) = Heartbeat::every(OFTEN, async move {
            let _ = begun.send(());
            let _ = blocked.recv();
        });
        let (waiting, waiting_heartbeat) = Heartbeat::every(OFTEN, std::future::pending::<()>());
        let stuck = tokio::spawn(stuck);
        tokio::spawn(waiting);
        begins.await.expect("the component runs");
        // As if both heartbeats were this old.
        let long_ago = Instant::now().checked_sub(STUCK).expect("an instant");
        for heartbeat in [&stuck_heartbeat, &waiting_heartbeat] {
            *heartbeat.last.lock() = long_ago;
        }
        let limit = Instant::now() + Duration::from_secs(10);
        while waiting_heartbeat.check().is_err() {
            assert!(
                Instant::now() < limit,
                "the other component records no heartbeat"
            );
            sleep(OFTEN).await;
        }
        assert!(stuck_heartbeat.check().is_err(), "the thread is blocked");
        release
            .send(())
            .expect("the component waits for the message");
        stuck.await.expect("the component ends");
    }
}
