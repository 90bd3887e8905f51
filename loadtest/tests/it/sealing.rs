//! Safe and compatible mode, as a callback pod meets them.

use scenecast_loadtest::simulator::{Account, AesKey, BadAnswer, BadSeal, Mode, Screen};
use scenecast_shared::wechat::{Kind, sign};

use crate::{
    scripted_callback::{Callback, Received},
    world::{TOKEN, World},
};

fn key() -> AesKey {
    Account::SAMPLE_AES_KEY.parse().unwrap()
}

fn other_key() -> AesKey {
    "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR".parse().unwrap()
}

async fn world(mode: Mode, callback: &Callback) -> World {
    World::with(|account| {
        account.mode = mode;
        account.callbacks = vec![callback.url()];
    })
    .await
}

/// A callback that seals its replies with this key.
async fn sealing(key: AesKey) -> Callback {
    Callback::answering(move |received| {
        let reply = received.sealed_reply(&key, "hello");
        async { reply }
    })
    .await
}

#[track_caller]
fn assert_signed(received: &Received) {
    let query = |name: &str| received.query[name].as_str();
    let (timestamp, nonce) = (query("timestamp"), query("nonce"));
    assert_eq!(query("encrypt_type"), "aes");
    assert_eq!(query("signature"), sign(&[TOKEN, timestamp, nonce]));
    let encrypt = received.element("Encrypt").unwrap();
    assert_eq!(query("msg_signature"), sign(&[TOKEN, timestamp, nonce, &encrypt]));
}

#[tokio::test]
async fn in_safe_mode_nothing_of_a_message_shows_but_whom_it_is_to() {
    let callback = sealing(key()).await;
    let world = world(Mode::Safe, &callback).await;
    assert_eq!(world.scan("ann", "abc").await.shown, Screen::Reply("hello".to_owned()));

    let received = &callback.received()[0];
    assert_signed(received);
    assert_eq!(received.query["openid"], world.openid("ann"));
    assert_eq!(received.element("ToUserName").as_deref(), Some(Account::SAMPLE_ORIGINAL_ID));
    for hidden in ["FromUserName", "MsgType", "Event", "EventKey"] {
        assert_eq!(received.element(hidden), None);
    }
    let opened = received.opened(&key()).message();
    assert_eq!((opened.kind, opened.from.to_string()), (Kind::Scan("abc".to_owned()), world.openid("ann")));
}

#[tokio::test]
async fn in_compatible_mode_a_message_is_there_twice_and_either_answer_will_do() {
    for callback in [sealing(key()).await, Callback::replying("hello").await] {
        let world = world(Mode::Compatible, &callback).await;
        assert_eq!(world.say("ann", "hi").await.shown, Screen::Reply("hello".to_owned()));
        let received = &callback.received()[0];
        assert_signed(received);
        assert_eq!(received.message(), received.opened(&key()).message());
    }
}

#[tokio::test]
async fn in_safe_mode_an_answer_in_plain_or_with_another_key_is_a_notice() {
    let plain = Callback::answering(|received| async move { received.opened(&key()).reply("hello") }).await;
    let world_of = |callback| async move { world(Mode::Safe, &callback).await.say("ann", "hi").await.shown };
    assert_eq!(world_of(plain).await, Screen::Notice(BadAnswer::NotSealed));
    let foreign = Callback::answering(|received| async move {
        let opened = received.opened(&key());
        let resealed = other_key().seal(Account::SAMPLE_APP_ID, [7; 16], &opened.body);
        let body = format!("<xml><Encrypt>{resealed}</Encrypt></xml>");
        Received { body: body.into(), ..received }.sealed_reply(&other_key(), "hello")
    })
    .await;
    assert_eq!(world_of(foreign).await, Screen::Notice(BadAnswer::Seal(BadSeal::Padding)));
    assert_eq!(world_of(Callback::saying("success").await).await, Screen::Nothing);
}

#[tokio::test]
async fn a_key_that_is_changed_seals_the_next_message_and_the_one_before_may_still_come() {
    let callback = Callback::saying("success").await;
    let world = world(Mode::Safe, &callback).await;
    world.say("ann", "before").await;
    world.simulator.rotate_aes_key(&world.account, other_key()).unwrap();
    world.say("ann", "after").await;
    world.fault(|faults| faults.seals_with_previous_key = true);
    world.say("ann", "late").await;
    let sealed_with = [key(), other_key(), key()];
    let texts: Vec<_> = std::iter::zip(callback.received(), sealed_with)
        .map(|(received, key)| received.opened(&key).message().kind)
        .collect();
    assert_eq!(texts, ["before", "after", "late"].map(|text| Kind::Text(text.to_owned())));
}

#[tokio::test]
async fn a_second_attempt_is_sealed_anew_unless_it_reuses_the_nonce() {
    for reuses in [false, true] {
        let callback = Callback::answering(|_| std::future::pending()).await;
        let world = world(Mode::Safe, &callback).await;
        world.fault(|faults| {
            faults.answer_within_ms = 200;
            faults.retry_reuses_nonce = reuses;
        });
        world.say("ann", "hi").await;
        let [first, second, _] = callback.received().try_into().unwrap();
        assert_signed(&second);
        assert_eq!(first.body == second.body, reuses);
        assert_eq!(first.opened(&key()).body, second.opened(&key()).body);
    }
}
