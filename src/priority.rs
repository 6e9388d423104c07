//! Two priorities, and a semaphore that serves them in turns.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The priority of a call or of a reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// No user waits: back-end updates, repairs of drift, lists.
    Background,
    /// A user waits: a create, a delete, a change of listeners.
    User,
}

/// After this many users in a row, work in the background gets one turn, so that users
/// that never pause do not keep the Nodes of other Services from their load balancers.
const USERS_IN_A_ROW: u32 = 7;

/// Decides whose turn it is.
#[derive(Debug, Default)]
pub struct Turns(u32);

impl Turns {
    /// The priority to serve next; `None` if neither waits.
    pub fn next(&self, user_waits: bool, background_waits: bool) -> Option<Priority> {
        match (user_waits, background_waits) {
            (false, false) => None,
            (true, false) => Some(Priority::User),
            (false, true) => Some(Priority::Background),
            (true, true) if self.0 >= USERS_IN_A_ROW => Some(Priority::Background),
            (true, true) => Some(Priority::User),
        }
    }

    /// Records that work of a priority was served; `passed_over` if work in the
    /// background waited meanwhile.
    pub fn served(&mut self, priority: Priority, passed_over: bool) {
        self.0 = match priority {
            Priority::User if passed_over => self.0 + 1,
            _ => 0,
        };
    }
}

/// A semaphore whose waiting users go first, in the order of their arrival within a
/// priority. Work in the background takes all permits but one, so that a user does not
/// wait for background calls that hang.
#[derive(Clone, Debug)]
pub struct PrioritySemaphore(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    /// The free permits that background work may take.
    free_for_background: usize,
    users: VecDeque<oneshot::Sender<PriorityPermit>>,
    background: VecDeque<oneshot::Sender<PriorityPermit>>,
    turns: Turns,
}

/// A permit, released when dropped.
#[derive(Debug)]
pub struct PriorityPermit {
    /// `None` if the permit was handed on.
    semaphore: Option<PrioritySemaphore>,
    priority: Priority,
}

impl PrioritySemaphore {
    pub fn new(permits: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: permits,
            free_for_background: permits.saturating_sub(1).max(1),
            users: VecDeque::new(),
            background: VecDeque::new(),
            turns: Turns::default(),
        })))
    }

    /// Waits for a permit.
    pub async fn acquire(&self, priority: Priority) -> PriorityPermit {
        loop {
            let granted = {
                let mut state = self.0.lock();
                if state.take(priority) {
                    return self.permit(priority);
                }
                let (grant, granted) = oneshot::channel();
                state.waiting(priority).push_back(grant);
                granted
            };
            // Fails only if the sender is dropped, which `release` never does.
            if let Ok(permit) = granted.await {
                return permit;
            }
        }
    }

    /// Hands a returned permit to the next that waits. A waiting call that was
    /// cancelled is passed over; a permit that was handed to it is dropped with its
    /// channel and comes back here.
    fn release(&self, priority: Priority) {
        self.0.lock().put_back(priority);
        loop {
            let next = self.0.lock().next();
            let Some((priority, next)) = next else { return };
            if let Err(mut permit) = next.send(self.permit(priority)) {
                // Its drop must not release it a second time.
                permit.semaphore = None;
                self.0.lock().put_back(priority);
            }
        }
    }

    fn permit(&self, priority: Priority) -> PriorityPermit {
        PriorityPermit {
            semaphore: Some(self.clone()),
            priority,
        }
    }
}

impl State {
    fn waiting(&mut self, priority: Priority) -> &mut VecDeque<oneshot::Sender<PriorityPermit>> {
        match priority {
            Priority::User => &mut self.users,
            Priority::Background => &mut self.background,
        }
    }

    /// Takes a permit if one is free; then nobody waits who may take it.
    fn take(&mut self, priority: Priority) -> bool {
        let is_background = priority == Priority::Background;
        let may = self.free > 0 && (!is_background || self.free_for_background > 0);
        if may {
            self.free -= 1;
            self.free_for_background -= usize::from(is_background);
        }
        may
    }

    fn put_back(&mut self, priority: Priority) {
        self.free += 1;
        self.free_for_background += usize::from(priority == Priority::Background);
    }

    /// Takes a permit for the next that waits and may have one.
    fn next(&mut self) -> Option<(Priority, oneshot::Sender<PriorityPermit>)> {
        for waiting in [&mut self.users, &mut self.background] {
            while waiting.front().is_some_and(oneshot::Sender::is_closed) {
                waiting.pop_front();
            }
        }
        let background = !self.background.is_empty() && self.free_for_background > 0;
        let priority = self.turns.next(!self.users.is_empty(), background)?;
        if !self.take(priority) {
            return None;
        }
        self.turns.served(priority, background);
        Some((priority, self.waiting(priority).pop_front()?))
    }
}

impl Drop for PriorityPermit {
    fn drop(&mut self) {
        if let Some(semaphore) = self.semaphore.take() {
            semaphore.release(self.priority);
        }
    }
}

#[cfg(test)]
mod tests;
