//! WeChat's clock and the pod's differ: what is rightly signed out of time gets no answer, so that another pod may take it.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use scenecast_callback::config::{CallbackLimits, Mode};
use scenecast_testing::{series_value, until};

use crate::world::{
    CallbackWorld, Pod, TOKEN, demo,
    encryption::{Encryptor, enveloped, set_mode},
    event, event_at, new_scene, problem, signed, signed_by, unix_now,
};

/// Less than the time that WeChat waits, and enough for any answer.
const SILENCE: Duration = Duration::from_secs(5);

fn ahead(pod: &Pod) -> i64 {
    series_value(&pod.metrics.text(), "scenecast_wechat_clock_ahead_seconds").unwrap()
}

fn stale(pod: &Pod) -> u64 {
    pod.metric("scenecast_deliveries_total{outcome=\"stale\"}")
}

#[tokio::test]
async fn a_rightly_signed_delivery_out_of_time_gets_no_answer_until_wechat_has_hung_up() {
    for mode in [Mode::Plain, Mode::Safe, Mode::Compatible] {
        let world = CallbackWorld::in_mode(None, mode).await;
        let (scene, _) = world.open().await;
        let scan = event("SCAN", &scene.to_string());
        let deliver = async |seconds: i64| {
            let now = unix_now().as_secs().saturating_add_signed(seconds);
            let sealer = Encryptor { now, ..Encryptor::default() };
            let sealed = sealer.encrypt(&scan);
            let (query, body) = match mode {
                Mode::Plain => (signed_by(TOKEN, now), scan.clone()),
                Mode::Safe | Mode::Compatible => (sealer.query(&sealed), enveloped(&sealed)),
            };
            let since = Instant::now();
            let answered = world.delivery("demo", &query, body).send().await;
            assert!(answered.is_err() && since.elapsed() > SILENCE, "{seconds}: {answered:?} {:?}", since.elapsed());
        };
        tokio::join!(deliver(-310), deliver(310));
        assert_eq!(stale(world.pod()), 2, "{mode:?}");
        assert!((309..=311).contains(&ahead(world.pod())), "{mode:?}: {}", ahead(world.pod()));
        assert!(world.history(scene).await.is_empty());
    }
}

#[tokio::test]
async fn a_delivery_out_of_time_is_refused_where_it_is_provably_a_replay() {
    let world = CallbackWorld::new().await;
    let query = signed_by(TOKEN, unix_now().as_secs() - 310);
    let first = world.delivery("demo", &query, event("SCAN", "a-poster")).send();
    let forged = world.delivery("demo", &query, event("SCAN", "another")).send();
    let (first, forged) = tokio::join!(first, async {
        until("the first one is held", async || stale(world.pod()) == 1).await;
        forged.await
    });
    assert!(first.is_err());
    assert_eq!(problem(forged.unwrap(), StatusCode::FORBIDDEN).await, "signature_reused");
}

#[tokio::test]
async fn of_replays_a_hundred_are_held_and_the_others_are_closed_at_once() {
    let world = CallbackWorld::with(None, |settings| {
        settings.limits = CallbackLimits { requests_per_address: 0, ..CallbackLimits::default() };
    })
    .await;
    let query = signed_by(TOKEN, unix_now().as_secs() - 310);
    let replay = || world.delivery("demo", &query, event("SCAN", "a-poster")).send();
    let mut held = tokio::task::JoinSet::new();
    (0..100).for_each(|_| drop(held.spawn(replay())));
    until("a hundred are held", async || stale(world.pod()) == 100).await;
    let closed = futures_util::future::join_all((0..20).map(|_| replay())).await;
    assert!(closed.iter().all(Result::is_err));
    assert!(held.try_join_next().is_none(), "the hundred are still held");
    assert_eq!(stale(world.pod()), 120);
}

#[tokio::test]
async fn genuine_deliveries_say_how_far_wechats_clock_is_ahead_and_replays_do_not() {
    let world = CallbackWorld::new().await;
    let deliver = async |query: &str| world.delivery("demo", query, event("SCAN", "a-poster")).send().await;
    deliver(&signed()).await.unwrap();
    assert!((-1..=0).contains(&ahead(world.pod())), "{}", ahead(world.pod()));
    assert!(deliver(&signed_by(TOKEN, unix_now().as_secs() - 3600)).await.is_err());
    assert!((-1..=0).contains(&ahead(world.pod())), "{}", ahead(world.pod()));
    deliver(&signed_by(TOKEN, unix_now().as_secs() + 120)).await.unwrap();
    assert!((119..=120).contains(&ahead(world.pod())), "{}", ahead(world.pod()));
    let refused = deliver(&signed_by("wrong", unix_now().as_secs() + 200)).await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!((119..=120).contains(&ahead(world.pod())), "a wrong signature says nothing");
}

#[tokio::test]
async fn whether_an_attempt_is_wechats_last_is_judged_by_wechats_clock() {
    for skew in [-120, 120] {
        // In plain mode a pod that has just started believes nothing that is so old.
        let world = CallbackWorld::with(None, |settings| {
            settings.limits = CallbackLimits { deliveries_per_second: 1, ..CallbackLimits::default() };
            set_mode(demo(settings), Mode::Safe);
        })
        .await;
        let wechats_now = || unix_now().as_secs().saturating_add_signed(skew);
        let crowded = || world.pod().metric("scenecast_deliveries_total{outcome=\"crowded\"}");
        let scan = |age| event_at(wechats_now() - age, "SCAN", &new_scene("demo").to_string());
        let mut first_attempts = tokio::task::JoinSet::new();
        let sealer = || Encryptor { now: wechats_now(), ..Encryptor::default() };
        let deliver = |age| {
            let sealed = sealer().encrypt(&scan(age));
            world.delivery("demo", &sealer().query(&sealed), enveloped(&sealed)).send()
        };
        until("a first attempt beyond the rate gets no answer", async || {
            first_attempts.spawn(deliver(0));
            crowded() > 0
        })
        .await;
        let told = async || Encryptor::default().read_reply(&deliver(10).await.unwrap().text().await.unwrap());
        until("a last attempt beyond the rate is answered", async || told().await.contains("Please scan again.")).await;
    }
}
