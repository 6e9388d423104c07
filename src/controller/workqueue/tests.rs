use futures::FutureExt;
use tokio::time::timeout;

use super::queue::WORKERS;
use super::*;

#[tokio::test(start_paused = true)]
async fn a_reconcile_that_gets_its_place_makes_room_for_the_next() {
    let cloud = CloudName::new("cloud1");
    let metrics = Metrics::for_test(std::slice::from_ref(&cloud));
    let queue = Workqueue::new([(cloud.clone(), 1)], metrics.into());
    for number in 0..=WORKERS {
        let service = ServiceKey {
            namespace: "default".into(),
            name: format!("s{number}"),
        };
        queue.add(&service, Priority::User);
    }
    let mut running = Vec::new();
    for _ in 0..WORKERS {
        running.push(queue.next().await);
    }
    let mut next = Box::pin(queue.next());
    assert!((&mut next).now_or_never().is_none(), "all workers run");
    let need = Need {
        clouds: CloudSet::from([cloud]),
        priority: Priority::User,
        after_list: false,
    };
    assert!(running[0].admit(&need));
    let next = timeout(Duration::from_secs(1), next).await;
    assert!(next.is_ok(), "the next Service runs");
}
