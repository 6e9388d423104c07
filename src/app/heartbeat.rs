//! Whether the parts are alive: each is a task that beats as long as it turns.
//!
//! A part that waits is healthy, however long it waits: for a cloud, for the API
//! server, for work. One that blocks its thread (a deadlock, an endless loop)
//! is not, and nothing else would notice as long as another thread answers
//! probes and renews the Lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

/// How often a part that has nothing to do is woken.
const BEAT: Duration = Duration::from_secs(10);
/// No honest step takes this long, however short the pod is of CPU.
const STUCK: Duration = Duration::from_secs(60);

/// The pulse of one part.
pub(super) struct Heartbeat {
    last: Mutex<Instant>,
    has_ended: AtomicBool,
}

/// Ends the pulse with the task, also if that panics.
struct HeartbeatGuard(Arc<Heartbeat>);

impl Drop for HeartbeatGuard {
    fn drop(&mut self) {
        self.0.has_ended.store(true, Ordering::Release);
    }
}

impl Heartbeat {
    /// The part with a pulse, and the pulse.
    pub(super) fn of<F>(part: F) -> (impl Future<Output = F::Output>, Arc<Self>)
    where
        F: Future,
    {
        Self::every(BEAT, part)
    }

    fn every<F>(period: Duration, part: F) -> (impl Future<Output = F::Output>, Arc<Self>)
    where
        F: Future,
    {
        let pulse = Arc::new(Self {
            last: Mutex::new(Instant::now()),
            has_ended: AtomicBool::new(false),
        });
        let life = HeartbeatGuard(pulse.clone());
        let beating = async move {
            let mut part = std::pin::pin!(part);
            loop {
                life.0.beat();
                tokio::select! {
                    biased;
                    output = &mut part => return output,
                    () = sleep(period) => {}
                }
            }
        };
        (beating, pulse)
    }

    fn beat(&self) {
        *self.last.lock() = Instant::now();
    }

    /// # Errors
    /// The part has ended, or does not turn any more.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.has_ended.load(Ordering::Acquire) {
            return Err("the component has ended".to_owned());
        }
        let silent = self.last.lock().elapsed();
        if silent >= STUCK {
            return Err(format!(
                "the component has been stuck for {} s",
                silent.as_secs()
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
    async fn a_part_that_only_waits_is_alive() {
        let (part, pulse) = Heartbeat::of(std::future::pending::<()>());
        let task = tokio::spawn(part);
        sleep(100 * STUCK).await;
        assert_eq!(pulse.check(), Ok(()));
        task.abort();
        let _ = task.await;
        assert_eq!(pulse.check(), Err("the component has ended".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_does_not_turn_is_stuck_until_it_does() {
        // Never polled, as behind a thread that a deadlock blocks.
        let (part, pulse) = Heartbeat::of(std::future::pending::<()>());
        advance(STUCK - Duration::from_secs(1)).await;
        assert_eq!(pulse.check(), Ok(()), "slow is not stuck");
        advance(Duration::from_secs(1)).await;
        assert_eq!(
            pulse.check(),
            Err("the component has been stuck for 60 s".to_owned())
        );
        let _task = tokio::spawn(part);
        sleep(BEAT).await;
        assert_eq!(pulse.check(), Ok(()), "it goes on");
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_panics_has_ended() {
        let (part, pulse) = Heartbeat::of(async { panic!("on purpose") });
        assert!(tokio::spawn(part).await.is_err());
        assert_eq!(pulse.check(), Err("the component has ended".to_owned()));
    }

    /// The real thing: one thread blocked for good, the other one at work.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_blocked_thread_stops_one_pulse_and_no_other() {
        const OFTEN: Duration = Duration::from_millis(20);
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (stuck, stuck_pulse) = Heartbeat::every(OFTEN, async move {
            let _ = begun.send(());
            let _ = blocked.recv();
        });
        let (waiting, waiting_pulse) = Heartbeat::every(OFTEN, std::future::pending::<()>());
        let stuck = tokio::spawn(stuck);
        tokio::spawn(waiting);
        begins.await.expect("the part runs");
        // As if both had last beaten this long ago.
        let long_ago = Instant::now().checked_sub(STUCK).expect("an instant");
        for pulse in [&stuck_pulse, &waiting_pulse] {
            *pulse.last.lock() = long_ago;
        }
        let limit = Instant::now() + Duration::from_secs(10);
        while waiting_pulse.check().is_err() {
            assert!(Instant::now() < limit, "the other part does not beat");
            sleep(OFTEN).await;
        }
        assert!(stuck_pulse.check().is_err(), "the thread is blocked");
        release.send(()).expect("the part waits for it");
        stuck.await.expect("the part ends");
    }
}
