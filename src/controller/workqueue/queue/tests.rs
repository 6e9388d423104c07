mod several;

use std::sync::Arc;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const USER: Priority = Priority::User;
const BACKGROUND: Priority = Priority::Background;

/// A queue with a clock that only the test moves.
struct Bench {
    queue: Queue,
    now: Instant,
}

fn key(text: &str) -> Key {
    let (namespace, name) = text.split_once('/').unwrap_or(("default", text));
    Arc::new(ServiceKey {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}

fn need<const N: usize>(clouds: [&str; N], priority: Priority) -> Need {
    Need {
        clouds: clouds.map(CloudName::new).into(),
        priority,
        after_list: false,
    }
}

impl Bench {
    /// Two clouds with this many calls in flight each.
    fn new(calls: usize) -> Self {
        let names = ["cloud1", "cloud2"].map(CloudName::new);
        Self {
            queue: Queue::new(names.map(|name| (name, calls))),
            now: Instant::now(),
        }
    }

    fn add(&mut self, text: &str, priority: Priority) -> bool {
        self.queue.add(&key(text), priority, self.now)
    }

    fn next(&mut self) -> Option<Key> {
        self.queue.next(self.now).map(|start| start.key)
    }

    /// The names of all that may run now.
    fn start_all(&mut self) -> Vec<String> {
        let all = std::iter::from_fn(|| self.next());
        all.map(|key| key.name.clone()).collect()
    }

    fn finish(&mut self, text: &str, next: Next) {
        self.queue.finish(&key(text), next, self.now);
    }

    /// Adds a Service that, once it runs, needs a place; returns whether it got one.
    fn enter(&mut self, text: &str, need: &Need) -> bool {
        self.add(text, need.priority);
        let started = self.next();
        assert_eq!(started.as_deref(), Some(&*key(text)), "it is the only one");
        let admitted = self.queue.admit(&key(text), need);
        if !admitted {
            self.finish(text, Next::Park(need.clone()));
        }
        admitted
    }

    fn is_unused(&self) -> bool {
        let Queue {
            items,
            ready,
            parked,
            timers,
            running_without_place,
            ..
        } = &self.queue;
        let nothing = items.is_empty() && ready.len() == 0 && timers.is_empty();
        nothing && parked.is_empty() && *running_without_place == 0
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_runs_once_at_a_time_and_again_if_it_was_added_meanwhile() {
    let mut bench = Bench::new(1);
    assert!(bench.add("web", BACKGROUND));
    assert!(!bench.add("web", BACKGROUND), "it is queued already");
    assert_eq!(bench.start_all(), ["web"]);
    assert!(bench.add("web", BACKGROUND), "it runs and is not queued");
    assert!(!bench.add("web", USER), "merged");
    assert_eq!(bench.next(), None, "it still runs");
    bench.finish("web", Next::After(SECOND));
    assert_eq!(bench.start_all(), ["web"], "the addition ends the delay");
    bench.finish("web", Next::Done);
    assert!(bench.next().is_none() && bench.is_unused());
}

#[tokio::test(start_paused = true)]
async fn a_delay_ends_with_its_time_or_with_an_addition() {
    let mut bench = Bench::new(1);
    for (name, delay) in [
        ("early", SECOND),
        ("late", 2 * SECOND),
        ("edited", 3 * SECOND),
    ] {
        bench.add(name, USER);
        assert_eq!(bench.start_all(), [name]);
        bench.finish(name, Next::After(delay));
    }
    assert_eq!(bench.queue.next_timer(), Some(bench.now + SECOND));
    assert!(bench.add("edited", USER));
    assert_eq!(bench.start_all(), ["edited"]);
    bench.now += 2 * SECOND;
    assert_eq!(bench.start_all(), ["early", "late"]);
    assert_eq!(bench.queue.next_timer(), None);
}

#[tokio::test(start_paused = true)]
async fn users_come_first_and_an_addition_raises_the_priority() {
    let mut bench = Bench::new(1);
    for name in ["a", "b", "c"] {
        bench.add(name, BACKGROUND);
    }
    bench.add("user", USER);
    bench.add("c", USER);
    assert_eq!(bench.start_all(), ["c", "user", "a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn namespaces_take_turns() {
    let mut bench = Bench::new(1);
    for number in 0..5 {
        bench.add(&format!("crowd/c{number}"), USER);
    }
    bench.add("other/o0", USER);
    bench.add("zoo/z0", USER);
    let expected = ["c0", "o0", "z0", "c1", "c2", "c3", "c4"];
    assert_eq!(bench.start_all(), expected);
}

#[tokio::test(start_paused = true)]
async fn no_more_run_than_there_are_workers() {
    let mut bench = Bench::new(1);
    for number in 0..2 * WORKERS {
        bench.add(&format!("s{number}"), USER);
    }
    assert_eq!(bench.start_all().len(), WORKERS);
    assert_eq!(bench.queue.state(bench.now).depth, WORKERS);
    bench.finish("s0", Next::Done);
    assert_eq!(bench.start_all().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_is_full_delays_no_other() {
    let mut bench = Bench::new(1);
    let (one, two) = (need(["cloud1"], USER), need(["cloud2"], USER));
    assert!(
        bench.enter("a", &one) && bench.enter("b", &one),
        "two places a call"
    );
    for number in 0..2 * WORKERS {
        assert!(!bench.enter(&format!("waiting{number}"), &one));
    }
    assert!(bench.enter("other", &two), "cloud2 is free");
    assert_eq!(
        bench.queue.waiting_for(&CloudName::new("cloud1")),
        2 * WORKERS
    );
    assert_eq!(bench.next(), None);
    bench.finish("b", Next::Done);
    assert!(!bench.enter("newer", &one), "it is behind those that wait");
    assert_eq!(bench.start_all(), ["waiting0"], "first come, first served");
}

#[tokio::test(start_paused = true)]
async fn a_started_key_has_its_places_and_returns_them() {
    let mut bench = Bench::new(1);
    let one = need(["cloud1"], USER);
    assert!(bench.enter("a", &one) && bench.enter("b", &one) && !bench.enter("c", &one));
    bench.finish("a", Next::Done);
    assert_eq!(bench.start_all(), ["c"]);
    assert!(bench.queue.admit(&key("c"), &one), "it has its place");
    let both = need(["cloud1", "cloud2"], USER);
    assert!(
        !bench.queue.admit(&key("c"), &both),
        "it was edited meanwhile"
    );
    bench.finish("c", Next::Park(both));
    bench.finish("b", Next::Done);
    assert_eq!(bench.start_all(), ["c"]);
    bench.finish("c", Next::Done);
    assert!(bench.is_unused());
}

#[tokio::test(start_paused = true)]
async fn background_work_leaves_places_to_users() {
    let mut bench = Bench::new(2);
    let (background, user) = (need(["cloud1"], BACKGROUND), need(["cloud1"], USER));
    for name in ["a", "b", "c"] {
        assert!(bench.enter(name, &background), "{name}");
    }
    assert!(!bench.enter("d", &background), "three of four places");
    assert!(bench.enter("user", &user), "the fourth is for users");
    bench.finish("user", Next::Done);
    assert_eq!(bench.next(), None);
    bench.finish("a", Next::Done);
    assert_eq!(bench.start_all(), ["d"]);
}

#[tokio::test(start_paused = true)]
async fn of_those_that_need_several_clouds_one_may_always_run() {
    let mut bench = Bench::new(1);
    let (one, both) = (need(["cloud1"], USER), need(["cloud1", "cloud2"], USER));
    assert!(bench.enter("a", &one) && bench.enter("b", &one));
    assert!(bench.enter("both", &both), "although cloud1 is full");
    assert!(!bench.enter("second", &both));
    assert!(!bench.enter("c", &one));
    bench.finish("a", Next::Done);
    assert_eq!(bench.next(), None, "the place of `a` is taken by `both`");
    bench.finish("both", Next::Done);
    assert_eq!(bench.start_all().len(), 2, "{:?}", bench.queue);
}

#[tokio::test(start_paused = true)]
async fn the_first_list_is_waited_for_and_then_all_are_observed_again() {
    let mut bench = Bench::new(1);
    let after_list = Need {
        after_list: true,
        ..need(["cloud1"], BACKGROUND)
    };
    assert!(!bench.enter("a", &after_list) && !bench.enter("b", &after_list));
    assert!(
        bench.enter("fresh", &need(["cloud1"], USER)),
        "it needs no list"
    );
    bench.queue.mark_listed(&CloudName::new("cloud2"));
    assert_eq!(bench.next(), None);
    bench.queue.mark_listed(&CloudName::new("cloud1"));
    assert_eq!(bench.start_all(), ["a", "b"]);
    bench.finish("a", Next::Done);
    bench.finish("b", Next::Done);
    bench.finish("fresh", Next::Done);
    assert!(bench.is_unused());
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_is_explained_once() {
    let mut bench = Bench::new(1);
    let one = need(["cloud1"], USER);
    assert!(bench.enter("a", &one) && bench.enter("b", &one) && !bench.enter("c", &one));
    bench.now += EXPLAIN_AFTER;
    let start = bench.queue.next(bench.now).expect("the explanation");
    assert!(start.explains && start.waited == EXPLAIN_AFTER);
    assert!(!bench.queue.admit(&start.key, &one));
    bench.finish("c", Next::Park(one.clone()));
    bench.now += 10 * EXPLAIN_AFTER;
    assert_eq!(bench.next(), None, "once");
    bench.finish("a", Next::Done);
    assert_eq!(bench.start_all(), ["c"]);
}

#[tokio::test(start_paused = true)]
async fn a_parked_key_moves_for_a_user_only_and_goes_with_its_service() {
    let mut bench = Bench::new(1);
    let (one, two) = (need(["cloud1"], BACKGROUND), need(["cloud2"], USER));
    assert!(
        bench.enter("a", &one) && !bench.enter("c", &one),
        "one of two places"
    );
    assert!(!bench.add("c", BACKGROUND));
    assert_eq!(bench.next(), None, "it stays in its lane");
    bench.add("c", USER);
    assert_eq!(bench.start_all(), ["c"]);
    assert!(
        bench.queue.admit(&key("c"), &two),
        "the edit named another cloud"
    );
    assert!(!bench.enter("d", &one));
    bench.queue.remove(&key("d"));
    for name in ["a", "c"] {
        bench.finish(name, Next::Done);
    }
    assert!(bench.next().is_none() && bench.is_unused());
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_at_another_cloud_leave_places_to_a_clouds_own() {
    let mut bench = Bench::new(2);
    let (both, two) = (need(["cloud1", "cloud2"], USER), need(["cloud2"], USER));
    assert!(bench.enter("a", &both) && bench.enter("b", &both));
    assert!(!bench.enter("c", &both), "half of the places");
    assert!(
        bench.enter("d", &two) && bench.enter("e", &two),
        "the other half"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_waits_anew_before_it_is_explained() {
    let mut bench = Bench::new(1);
    let one = need(["cloud1"], USER);
    assert!(bench.enter("a", &one) && bench.enter("b", &one) && !bench.enter("c", &one));
    bench.now += EXPLAIN_AFTER;
    assert_eq!(bench.start_all(), ["c"]);
    bench.finish("c", Next::After(SECOND));
    bench.now += SECOND;
    let start = bench.queue.next(bench.now).expect("it is due");
    assert!(!start.explains, "it has not waited for a place");
}

#[tokio::test(start_paused = true)]
async fn the_state_shows_queued_and_running_reconciles() {
    let mut bench = Bench::new(1);
    bench.add("one", USER);
    bench.add("two", USER);
    assert_eq!(bench.queue.state(bench.now).depth, 2);
    assert_eq!(bench.start_all().len(), 2);
    bench.now += 2 * SECOND;
    let state = QueueState {
        depth: 0,
        running: 2,
        longest_running: 2 * SECOND,
        unfinished: 4 * SECOND,
    };
    assert_eq!(bench.queue.state(bench.now), state);
}
