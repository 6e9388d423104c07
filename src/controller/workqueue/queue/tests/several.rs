//! Keys that need places at several clouds, of which one hangs.

use super::*;

fn clouds<const N: usize>(names: [&str; N]) -> CloudSet {
    names.map(CloudName::new).into()
}

/// Both places of cloud2 are taken by Services that never end.
fn with_a_full_cloud() -> Bench {
    let mut bench = Bench::new(1);
    for name in ["hangs1", "hangs2"] {
        assert!(bench.enter(name, &need(["cloud2"], USER)));
    }
    // The only one of its lane that may run without places free.
    assert!(bench.enter("first", &need(["cloud1", "cloud2"], USER)));
    bench
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_is_admitted_to_the_clouds_that_have_places() {
    let mut bench = with_a_full_cloud();
    let both = need(["cloud1", "cloud2"], USER);
    assert!(!bench.enter("web", &both));
    assert_eq!(bench.next(), None, "it waits");
    bench.now += EXPLAIN_AFTER;
    let start = bench.queue.next(bench.now);
    assert!(start.is_some_and(|start| start.explains));
    assert!(!bench.queue.admit(&key("web"), &both));
    assert_eq!(
        bench.queue.admit_to_some(&key("web"), &both),
        Some(clouds(["cloud1"]))
    );
    assert!(
        !bench.enter("other", &need(["cloud1"], USER)),
        "it holds the last place"
    );
    bench.finish("web", Next::Park(both));
    assert_eq!(bench.start_all(), ["other"], "its place is free again");
    // From now on it need not wait for the other cloud, whatever changes.
    assert!(!bench.add("web", BACKGROUND));
    assert_eq!(bench.start_all(), ["web"]);
}

/// A poll, a retry or a Node change after an attempt without one of the clouds.
#[tokio::test(start_paused = true)]
async fn who_went_on_without_a_cloud_waits_for_it_briefly_and_in_its_old_turn() {
    for is_added in [false, true] {
        let mut bench = with_a_full_cloud();
        let both = need(["cloud1", "cloud2"], USER);
        assert!(!bench.enter("web", &both));
        bench.now += EXPLAIN_AFTER;
        assert_eq!(bench.start_all(), ["web"]);
        assert!(bench.queue.admit_to_some(&key("web"), &both).is_some());
        bench.finish("web", Next::After(SECOND));
        assert!(!bench.enter("later", &both));
        bench.now += SECOND;
        if is_added {
            bench.add("web", BACKGROUND);
        }
        assert!(bench.start_all().contains(&"web".to_owned()));
        assert!(!bench.queue.admit(&key("web"), &both));
        bench.finish("web", Next::Park(both.clone()));
        assert_eq!(bench.next(), None);
        bench.finish("first", Next::Done);
        assert_eq!(bench.start_all(), ["web"], "it is before the other");
        bench.finish("web", Next::Park(both.clone()));
        assert_eq!(bench.start_all(), ["web"], "the first of its lane again");
        bench.finish("web", Next::Done);
        assert_eq!(bench.start_all(), ["later"]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_went_on_without_a_cloud_goes_on_again_soon() {
    let mut bench = with_a_full_cloud();
    let both = need(["cloud1", "cloud2"], USER);
    assert!(!bench.enter("web", &both));
    bench.now += EXPLAIN_AFTER;
    assert_eq!(bench.start_all(), ["web"]);
    assert!(bench.queue.admit_to_some(&key("web"), &both).is_some());
    for _ in 0..3 {
        bench.finish("web", Next::After(SECOND));
        bench.now += SECOND;
        assert_eq!(bench.start_all(), ["web"]);
        assert!(!bench.queue.admit(&key("web"), &both));
        bench.finish("web", Next::Park(both.clone()));
        assert_eq!(bench.next(), None, "it waits");
        bench.now += SECOND;
        let start = bench.queue.next(bench.now);
        assert!(start.is_some_and(|start| start.explains));
        assert!(bench.queue.admit_to_some(&key("web"), &both).is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_cloud_without_places_admits_nobody_alone() {
    let mut bench = with_a_full_cloud();
    bench.add("web", USER);
    assert_eq!(bench.start_all(), ["web"]);
    let only = need(["cloud2"], USER);
    assert_eq!(bench.queue.admit_to_some(&key("web"), &only), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_behind_keeps_its_place() {
    let mut bench = Bench::new(1);
    let both = need(["cloud1", "cloud2"], USER);
    assert!(bench.enter("web", &both));
    let kept = bench.queue.keep(&key("web"), &clouds(["cloud2"]));
    bench.finish("web", Next::Done);
    for (cloud, places) in [("cloud1", 2), ("cloud2", 1)] {
        let names: Vec<String> = (0..3).map(|number| format!("{cloud}-{number}")).collect();
        let admitted = names
            .iter()
            .filter(|name| bench.enter(name, &need([cloud], USER)));
        assert_eq!(admitted.count(), places, "{cloud}");
    }
    bench.queue.return_kept(&kept.expect("places"));
    assert_eq!(bench.start_all(), ["cloud2-1"], "the place is free");
}

#[tokio::test(start_paused = true)]
async fn the_fullest_cloud_is_left_out() {
    let mut bench = Bench::new(1);
    let both = need(["cloud1", "cloud2"], USER);
    assert!(bench.enter("first", &both));
    assert!(!bench.enter("web", &both));
    let kept = bench.queue.keep(&key("first"), &clouds(["cloud2"]));
    bench.now += EXPLAIN_AFTER;
    assert_eq!(bench.start_all(), ["web"]);
    bench.finish("first", Next::Done);
    let some = bench.queue.admit_to_some(&key("web"), &both);
    assert_eq!(
        some,
        Some(clouds(["cloud1"])),
        "cloud2 has fewer places left"
    );
    bench.queue.return_kept(&kept.expect("places"));
}
