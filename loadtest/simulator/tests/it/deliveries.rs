//! Deliveries as callback pods receive them, and how WeChat judges the answers.

use std::{sync::Arc, time::Duration};

use axum::response::{Html, IntoResponse, Redirect};
use reqwest::StatusCode;
use scenecast_scene::Rotating;
use scenecast_simulator::{
    ActionError, AnswerError, CallbackAnswer, DeliveryOutcome, MarkFail, PhoneScreen, SimulatedAccount, VerifyUrlError,
};
use scenecast_wechat::{MessageKind, SignedQuery};
use tokio::sync::Barrier;

use crate::{
    scripted_callback::{Callback, Received, closing},
    world::{SimulatorWorld, TOKEN, person, text},
};

fn is_signed(received: &Received) -> bool {
    let signed = SignedQuery {
        signature: &received.query["signature"],
        timestamp: &received.query["timestamp"],
        nonce: &received.query["nonce"],
    };
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    signed.verify(&Rotating::fixed(TOKEN), now).is_ok()
}

fn reply(text: &str) -> PhoneScreen {
    PhoneScreen::Reply(text.to_owned())
}

/// Shortens the time limit for answers, because these tests wait for it in real time.
fn shorten_limit(world: &SimulatorWorld) {
    world.fault(|faults| faults.answer_within_ms = 500);
}

#[tokio::test]
async fn a_followers_scan_arrives_signed_and_the_reply_is_shown() {
    let callback = Callback::replying("hello").await;
    let world = SimulatorWorld::calling(&callback).await;
    let outcome = world.scan("ann", "abc").await;
    assert_eq!((outcome.shown, outcome.attempts.len()), (reply("hello"), 1));

    let received = &callback.received()[0];
    assert!(is_signed(received));
    assert_eq!(received.query["openid"], world.openid("ann"));
    assert_eq!(received.headers["content-type"], "text/xml");
    let message = received.message();
    assert_eq!(
        (message.kind, message.to.as_str()),
        (MessageKind::Scan("abc".into()), SimulatedAccount::SAMPLE_ORIGINAL_ID)
    );
    assert_eq!(message.from.as_str(), world.openid("ann"));
}

#[tokio::test]
async fn after_many_failed_pushes_nothing_is_pushed_for_a_while() {
    let up = Callback::replying("hello").await;
    let world = SimulatorWorld::calling_in_turn(vec![closing().await]).await;
    world.fault(|faults| faults.mark_fail = Some(MarkFail { failures: 4, pause_ms: 500 }));
    assert_eq!(world.scan("ann", "a").await.shown, PhoneScreen::Notice(AnswerError::NoAnswer), "three failures");
    assert_eq!(world.scan("ann", "b").await.shown, PhoneScreen::Notice(AnswerError::NoAnswer));
    world.simulator.set_callbacks(&world.account, vec![up.url()]).unwrap();
    let outcome = world.scan("ann", "c").await;
    assert_eq!((outcome.shown, outcome.attempts.len()), (PhoneScreen::Notice(AnswerError::MarkedFail), 0));
    let again = async { while world.scan("ann", "d").await.attempts.is_empty() {} };
    tokio::time::timeout(Duration::from_secs(20), again).await.expect("the pause ends");
    assert_eq!(world.scan("ann", "e").await.shown, reply("hello"));
}

#[tokio::test]
async fn a_user_who_does_not_follow_begins_to_by_scanning() {
    let callback = Callback::replying("welcome").await;
    let world = SimulatorWorld::calling(&callback).await;
    world.scan("chen", "abc").await;
    world.scan("chen", "def").await;
    let kinds: Vec<_> = callback.received().iter().map(|received| received.message().kind).collect();
    assert_eq!(kinds, [MessageKind::Subscribe("qrscene_abc".into()), MessageKind::Scan("def".into())]);
}

#[tokio::test]
async fn a_code_that_is_unknown_or_has_expired_is_not_delivered() {
    let callback = Callback::replying("hello").await;
    let world = SimulatorWorld::calling(&callback).await;
    let url = text(&world.create_qr("abc").await, "url");
    let scan = async |url: &str| world.simulator.scan(&person("ann"), url).await.map(|outcome| outcome.shown);
    assert_eq!(scan("http://elsewhere/q/abc").await, Err(ActionError::UnknownCode));
    assert_eq!(scan(world.url("/q/made-up").as_str()).await, Err(ActionError::UnknownCode));
    world.simulator.advance(Duration::from_secs(60));
    assert_eq!(scan(&url).await, Err(ActionError::ExpiredCode));
    assert!(callback.received().is_empty());
}

#[tokio::test]
async fn a_follower_can_write_and_unfollow_but_not_after_that() {
    let callback = Callback::saying(Html("<p>503</p>")).await;
    let world = SimulatorWorld::calling(&callback).await;
    assert_eq!(world.say("bo", "1234 <好>").await.shown, PhoneScreen::Notice(AnswerError::NotXml));
    let left = world.simulator.unfollow(&person("bo"), &world.account).await.unwrap();
    assert_eq!(left.shown, PhoneScreen::Nothing, "the phone of a user who unfollowed shows nothing");

    let kinds: Vec<_> = callback.received().iter().map(|received| received.message().kind).collect();
    assert_eq!(kinds, [MessageKind::Text("1234 <好>".into()), MessageKind::Unsubscribe]);
    let refused = world.simulator.say(&person("bo"), &world.account, "hi").await;
    assert_eq!(refused.unwrap_err(), ActionError::NotFollowing);
    let left = world.simulator.unfollow(&person("bo"), &world.account).await;
    assert_eq!(left.unwrap_err(), ActionError::NotFollowing);
}

#[tokio::test]
async fn an_answer_decides_what_the_phone_shows_and_is_not_retried() {
    for (callback, shown) in [
        (Callback::saying("success").await, PhoneScreen::Nothing),
        (Callback::saying("").await, PhoneScreen::Nothing),
        (Callback::saying("{}").await, PhoneScreen::Notice(AnswerError::NotXml)),
        (
            Callback::saying((StatusCode::INTERNAL_SERVER_ERROR, "success")).await,
            PhoneScreen::Notice(AnswerError::Status(500)),
        ),
        (Callback::saying(Redirect::temporary("/")).await, PhoneScreen::Notice(AnswerError::Status(307))),
        (Callback::replying("").await, PhoneScreen::Notice(AnswerError::Element("Content"))),
    ] {
        let outcome = SimulatorWorld::calling(&callback).await.scan("ann", "abc").await;
        assert_eq!(outcome.shown, shown);
        assert_eq!(callback.received().len(), 1);
    }
}

#[tokio::test]
async fn without_an_answer_delivery_is_attempted_three_times() {
    let callback = Callback::answering(|_| std::future::pending()).await;
    let world = SimulatorWorld::calling(&callback).await;
    shorten_limit(&world);
    let outcome = world.scan("ann", "abc").await;
    assert_eq!(outcome.shown, PhoneScreen::Notice(AnswerError::NoAnswer));
    assert!(outcome.attempts.iter().all(|attempt| attempt.answer == CallbackAnswer::Late));

    let [first, second, third] = callback.received().try_into().unwrap();
    assert!(is_signed(&second));
    assert_eq!((&first.body, &first.body), (&second.body, &third.body));
    assert_ne!(first.query["nonce"], second.query["nonce"]);
}

#[tokio::test]
async fn a_second_attempt_may_have_the_same_signature() {
    let callback = Callback::answering(|_| std::future::pending()).await;
    let world = SimulatorWorld::calling(&callback).await;
    shorten_limit(&world);
    world.fault(|faults| faults.retry_reuses_nonce = true);
    world.scan("ann", "abc").await;
    let received = callback.received();
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|other| other.query == received[0].query));
}

#[tokio::test]
async fn a_broken_connection_is_followed_by_an_attempt_at_the_next_callback() {
    let good = Callback::replying("hello").await;
    let world = SimulatorWorld::calling_in_turn(vec![closing().await, good.url()]).await;
    let outcome = world.scan("ann", "abc").await;
    assert_eq!(outcome.shown, reply("hello"));
    assert!(matches!(outcome.attempts[0].answer, CallbackAnswer::Broken(_)));
    assert_eq!(outcome.attempts.iter().map(|attempt| attempt.nth).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn an_answer_that_is_incomplete_at_the_limit_counts_as_late() {
    let endless = Callback::answering(|_| async {
        let begun = futures_util::stream::once(async { Ok::<_, std::io::Error>("succ") });
        axum::body::Body::from_stream(futures_util::StreamExt::chain(begun, futures_util::stream::pending()))
            .into_response()
    })
    .await;
    let good = Callback::replying("hello").await;
    let world = SimulatorWorld::calling_in_turn(vec![endless.url(), good.url()]).await;
    shorten_limit(&world);
    let outcome = world.scan("ann", "abc").await;
    assert_eq!((outcome.shown, &outcome.attempts[0].answer), (reply("hello"), &CallbackAnswer::Late));
}

#[tokio::test]
async fn callbacks_take_turns() {
    let [one, two] = [Callback::saying("success").await, Callback::saying("success").await];
    let world = SimulatorWorld::calling_in_turn(vec![one.url(), two.url()]).await;
    for _ in 0..4 {
        world.say("ann", "hi").await;
    }
    assert_eq!((one.received().len(), two.received().len()), (2, 2));
}

#[tokio::test]
async fn a_message_can_be_delivered_twice_at_the_same_instant() {
    // Each request waits for the other one, so sequential requests would never be answered.
    let both = Arc::new(Barrier::new(2));
    let callback = Callback::answering(move |received| {
        let both = both.clone();
        async move {
            both.wait().await;
            received.reply("hello")
        }
    })
    .await;
    let world = SimulatorWorld::calling(&callback).await;
    world.fault(|faults| faults.duplicate_deliveries = true);
    let DeliveryOutcome { shown, attempts } = world.scan("ann", "abc").await;
    assert_eq!((shown, attempts.len()), (reply("hello"), 2));
    let [one, two] = callback.received().try_into().unwrap();
    assert_eq!((one.body, one.query), (two.body, two.query));
}

#[tokio::test]
async fn a_message_that_is_delivered_twice_goes_to_two_callbacks() {
    let [one, two] = [Callback::replying("hello").await, Callback::replying("hello").await];
    let world = SimulatorWorld::calling_in_turn(vec![one.url(), two.url()]).await;
    world.fault(|faults| faults.duplicate_deliveries = true);
    // Repeat it, because the number of turns before must not matter.
    for deliveries in 1..=3 {
        world.say("ann", "hi").await;
        assert_eq!((one.received().len(), two.received().len()), (deliveries, deliveries));
    }
}

#[tokio::test]
async fn a_body_can_be_cut_short() {
    let callback = Callback::saying(StatusCode::BAD_REQUEST).await;
    let world = SimulatorWorld::calling(&callback).await;
    world.fault(|faults| faults.cut_bodies = 1);
    world.say("ann", "hi").await;
    world.say("ann", "hi").await;
    let whole: Vec<_> = callback.received().iter().map(|received| received.body.ends_with(b"</xml>")).collect();
    assert_eq!(whole, [false, true]);
}

#[tokio::test]
async fn a_delivery_goes_on_when_nobody_waits_and_its_attempts_can_be_received() {
    let callback = Callback::replying("hello").await;
    let world = SimulatorWorld::calling(&callback).await;
    let mut attempts = world.simulator.attempts();
    let ann = person("ann");
    let mut delivery = Box::pin(world.simulator.say(&ann, &world.account, "hi"));
    assert!(futures_util::poll!(&mut delivery).is_pending());
    drop(delivery);
    let attempt = attempts.recv().await.unwrap();
    assert!(matches!(attempt.answer, CallbackAnswer::Got { status: 200, .. }));
    assert_eq!(attempt.openid.as_str(), world.openid("ann"));
}

#[tokio::test]
async fn an_address_is_verified_by_the_raw_echostr_only() {
    let echo = |quote: &'static str| {
        Callback::answering(move |received: Received| async move {
            assert!(is_signed(&received));
            format!("{quote}{}{quote}", received.query["echostr"]).into_response()
        })
    };
    let raw = echo("").await;
    let world = SimulatorWorld::calling(&raw).await;
    assert_eq!(world.simulator.verify_url(&world.account).await, Ok(()));
    assert_eq!(raw.received()[0].method, "GET");

    let refused = (StatusCode::FORBIDDEN, "no");
    for bad in [echo("\"").await, echo("\n").await, Callback::saying("success").await, Callback::saying(refused).await]
    {
        let world = SimulatorWorld::calling_in_turn(vec![raw.url(), bad.url()]).await;
        let verified = world.simulator.verify_url(&world.account).await;
        assert!(matches!(verified, Err(VerifyUrlError::Answer(url, _)) if url == bad.url()));
    }
}
