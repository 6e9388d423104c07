use tokio::time::Instant;

use super::*;
use crate::preview::scene::{Scene, Shows};
use crate::preview::verdict::Verdict;

#[tokio::test(start_paused = true)]
async fn a_cloud_that_hangs_is_waited_for_once() {
    let mut scene = Scene::in_sync();
    scene.cloud1 = Shows::Hangs;
    let (survey, began) = (scene.survey(), Instant::now());
    for _ in 0..100 {
        let preview = scene.preview_by(&survey).await;
        let Preview::Planned(planned) = preview else {
            panic!("{preview:?}");
        };
        let error = planned.errors.values().next().expect("an error");
        assert_eq!(error, "cloud1 did not answer within 20s");
    }
    assert_eq!(began.elapsed(), ANSWER_LIMIT);
}

#[tokio::test]
async fn a_cloud_out_of_reach_does_not_hide_the_other() {
    let mut scene = Scene::in_sync();
    scene.annotate("provider", "cloud1,cloud2");
    scene.cloud2 = Shows::Fails;
    // cloud2 must be queried: a create there may have been sent.
    scene.annotate("lb-id", "lb-1,");
    scene.annotate("lb-cloud", "cloud1,cloud2");
    scene.annotate("lb-bandwidth", "20M");
    let planned = scene.planned().await;
    assert_eq!(planned.errors.len(), 1, "{:?}", planned.errors);
    assert_eq!(planned.differences().len(), 1, "{planned:?}");
    assert_eq!(planned.verdict().0, Verdict::Changes);
}

#[tokio::test]
async fn after_a_list_no_load_balancer_that_serves_is_queried() {
    let scene = Scene::in_sync();
    let mut survey = scene.survey();
    survey.list_clouds().await;
    let cloud1 = survey.clouds.get_mut(&CloudName::new("cloud1"));
    cloud1.expect("configured").client = Arc::new(Shows::Hangs);
    let (verdict, message) = scene.preview_by(&survey).await.verdict();
    assert_eq!(verdict, Verdict::InSync, "{message}");
}

#[tokio::test]
async fn a_cloud_whose_list_fails_is_not_asked_again() {
    let mut scene = Scene::in_sync();
    scene.cloud1 = Shows::Fails;
    let survey = scene.survey();
    survey.list_clouds().await;
    let out_of_reach = survey.out_of_reach.lock().clone();
    assert_eq!(out_of_reach.len(), 1, "{out_of_reach:?}");
    scene.cloud1 = Shows::Hangs;
    let (verdict, message) = scene.preview_by(&survey).await.verdict();
    assert_eq!(verdict, Verdict::Waiting, "{message}");
}

/// Before any cloud has told what it can do.
fn unasked(scene: &Scene) -> Survey {
    let mut survey = scene.survey();
    let names = survey.clouds.keys().cloned();
    survey.capabilities.untold = names.collect();
    survey
}

#[tokio::test(start_paused = true)]
async fn each_cloud_is_asked_once_what_it_can_do_and_none_waits_for_another() {
    let mut scene = Scene::in_sync();
    scene.cloud2 = Shows::Hangs;
    let (mut survey, began) = (unasked(&scene), Instant::now());
    survey.ask_clouds().await;
    assert_eq!(began.elapsed(), ANSWER_LIMIT);
    let untold = Vec::from_iter(&survey.capabilities.untold);
    assert_eq!(untold, [&CloudName::new("cloud2")]);
    scene.annotate("provider", "cloud1,cloud2");
    scene.annotate("lb-id", "lb-1,");
    scene.annotate("lb-cloud", "cloud1,cloud2");
    let preview = scene.preview_by(&survey).await;
    assert_eq!(began.elapsed(), ANSWER_LIMIT, "it is not asked again");
    let Preview::Planned(planned) = preview else {
        panic!("{preview:?}");
    };
    assert_eq!(planned.errors.len(), 1, "{:?}", planned.errors);
}

#[tokio::test]
async fn what_depends_on_a_cloud_that_did_not_tell_is_not_called_unsupported() {
    let mut scene = Scene::in_sync();
    scene.cloud1 = Shows::Fails;
    scene.annotate("health-check-interval", "7s");
    let mut survey = unasked(&scene);
    survey.ask_clouds().await;
    let (_, message) = scene.preview_by(&survey).await.verdict();
    let expected = "cloud1 has not told yet whether this is supported";
    assert!(message.contains(expected), "{message}");
}
