use futures::FutureExt;

use super::*;

const BOTH: [Priority; 2] = [Priority::User, Priority::Background];

#[tokio::test]
async fn a_user_comes_first_and_background_work_gets_a_turn_all_the_same() {
    let semaphore = PrioritySemaphore::new(1);
    let mut held = semaphore.acquire(Priority::Background).await;
    let mut waiting: Vec<_> = [Priority::Background, Priority::User]
        .into_iter()
        .flat_map(|priority| std::iter::repeat_n(priority, 10))
        .map(|priority| (priority, Box::pin(semaphore.acquire(priority))))
        .collect();
    for (_, acquire) in &mut waiting {
        assert!(acquire.now_or_never().is_none(), "none is free");
    }
    let mut order = Vec::new();
    while !waiting.is_empty() {
        drop(held);
        let granted = waiting
            .iter_mut()
            .enumerate()
            .find_map(|(index, (_, acquire))| Some((index, acquire.now_or_never()?)));
        let (index, permit) = granted.expect("one is granted");
        order.push(waiting.remove(index).0);
        held = permit;
    }
    let [user, background] = BOTH;
    let expected: Vec<_> = std::iter::repeat_n(user, 7)
        .chain([background])
        .chain(std::iter::repeat_n(user, 3))
        .chain(std::iter::repeat_n(background, 9))
        .collect();
    assert_eq!(order, expected);
}

#[tokio::test]
async fn no_permit_is_lost_with_a_cancelled_call() {
    let semaphore = PrioritySemaphore::new(1);
    for priority in BOTH {
        let held = semaphore.acquire(priority).await;
        let mut cancelled_waiting = Box::pin(semaphore.acquire(priority));
        let mut cancelled_granted = Box::pin(semaphore.acquire(priority));
        let mut next = Box::pin(semaphore.acquire(priority));
        for acquire in [&mut cancelled_waiting, &mut cancelled_granted, &mut next] {
            assert!(acquire.now_or_never().is_none());
        }
        drop(cancelled_waiting);
        drop(held);
        assert!((&mut next).now_or_never().is_none(), "granted to another");
        drop(cancelled_granted);
        assert!(next.now_or_never().is_some(), "the permit came back");
    }
}

#[tokio::test]
async fn background_work_leaves_one_permit_to_users() {
    let [user, background] = BOTH;
    let semaphore = PrioritySemaphore::new(3);
    let hanging = [
        semaphore.acquire(background).await,
        semaphore.acquire(background).await,
    ];
    let mut third = Box::pin(semaphore.acquire(background));
    assert!((&mut third).now_or_never().is_none());
    for _ in 0..3 {
        let served = semaphore.acquire(user).now_or_never();
        assert!(served.is_some(), "the third is for users");
    }
    drop(hanging);
    assert!(third.now_or_never().is_some());
}
