//! Safe and compatible mode, as a callback pod sees them.

use scenecast_simulator::{
    AnswerError, CiphertextError, EncodingAesKey, EncryptionMode, PhoneScreen, SimulatedAccount,
};
use scenecast_wechat::{MessageKind, sign};

use crate::{
    scripted_callback::{Callback, Received},
    world::{SimulatorWorld, TOKEN},
};

fn key() -> EncodingAesKey {
    SimulatedAccount::SAMPLE_AES_KEY.parse().unwrap()
}

fn other_key() -> EncodingAesKey {
    "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR".parse().unwrap()
}

async fn world(mode: EncryptionMode, callback: &Callback) -> SimulatorWorld {
    SimulatorWorld::with(|account| {
        account.mode = mode;
        account.callbacks = vec![callback.url()];
    })
    .await
}

/// A callback that encrypts its replies with this key.
async fn encrypting(key: EncodingAesKey) -> Callback {
    Callback::answering(move |received| {
        let reply = received.encrypted_reply(&key, "hello");
        async { reply }
    })
    .await
}

#[track_caller]
fn assert_signed(received: &Received) {
    let query = |name: &str| received.query[name].as_str();
    let timestamp = query("timestamp");
    let nonce = query("nonce");
    assert_eq!(query("encrypt_type"), "aes");
    assert_eq!(query("signature"), sign(&[TOKEN, timestamp, nonce]));
    let encrypt = received.element("Encrypt").unwrap();
    assert_eq!(query("msg_signature"), sign(&[TOKEN, timestamp, nonce, &encrypt]));
}

#[tokio::test]
async fn safe_mode_shows_only_the_recipient_of_a_message() {
    let callback = encrypting(key()).await;
    let world = world(EncryptionMode::Safe, &callback).await;
    assert_eq!(world.scan("ann", "abc").await.shown, PhoneScreen::Reply("hello".to_owned()));

    let received = &callback.received()[0];
    assert_signed(received);
    assert_eq!(received.query["openid"], world.openid("ann"));
    assert_eq!(received.element("ToUserName").as_deref(), Some(SimulatedAccount::SAMPLE_ORIGINAL_ID));
    for hidden in ["FromUserName", "MsgType", "Event", "EventKey"] {
        assert_eq!(received.element(hidden), None);
    }
    let decrypted = received.decrypted(&key()).message();
    assert_eq!(
        (decrypted.kind, decrypted.from.to_string()),
        (MessageKind::Scan("abc".to_owned()), world.openid("ann"))
    );
}

#[tokio::test]
async fn compatible_mode_contains_the_message_twice_and_accepts_both_answers() {
    for callback in [encrypting(key()).await, Callback::replying("hello").await] {
        let world = world(EncryptionMode::Compatible, &callback).await;
        assert_eq!(world.say("ann", "hi").await.shown, PhoneScreen::Reply("hello".to_owned()));
        let received = &callback.received()[0];
        assert_signed(received);
        assert_eq!(received.message(), received.decrypted(&key()).message());
    }
}

#[tokio::test]
async fn safe_mode_shows_the_notice_for_a_plain_answer_or_another_key() {
    let plain = Callback::answering(|received| async move { received.decrypted(&key()).reply("hello") }).await;
    let world_of = |callback| async move { world(EncryptionMode::Safe, &callback).await.say("ann", "hi").await.shown };
    assert_eq!(world_of(plain).await, PhoneScreen::Notice(AnswerError::NotEncrypted));
    let foreign = Callback::answering(|received| async move {
        let decrypted = received.decrypted(&key());
        let reencrypted = other_key().encrypt(SimulatedAccount::SAMPLE_APP_ID, [7; 16], &decrypted.body);
        let body = format!("<xml><Encrypt>{reencrypted}</Encrypt></xml>");
        Received { body: body.into(), ..received }.encrypted_reply(&other_key(), "hello")
    })
    .await;
    assert_eq!(world_of(foreign).await, PhoneScreen::Notice(AnswerError::Ciphertext(CiphertextError::Padding)));
    assert_eq!(world_of(Callback::saying("success").await).await, PhoneScreen::Nothing);
}

#[tokio::test]
async fn a_new_key_encrypts_the_next_message_and_the_old_key_may_still_be_used() {
    let callback = Callback::saying("success").await;
    let world = world(EncryptionMode::Safe, &callback).await;
    world.say("ann", "before").await;
    world.simulator.rotate_aes_key(&world.account, other_key()).unwrap();
    world.say("ann", "after").await;
    world.fault(|faults| faults.seals_with_previous_key = true);
    world.say("ann", "late").await;
    let encrypted_with = [key(), other_key(), key()];
    let texts: Vec<_> = std::iter::zip(callback.received(), encrypted_with)
        .map(|(received, key)| received.decrypted(&key).message().kind)
        .collect();
    assert_eq!(texts, ["before", "after", "late"].map(|text| MessageKind::Text(text.to_owned())));
}

#[tokio::test]
async fn a_second_attempt_is_encrypted_again_unless_it_reuses_the_nonce() {
    for reuses in [false, true] {
        let callback = Callback::answering(|_| std::future::pending()).await;
        let world = world(EncryptionMode::Safe, &callback).await;
        world.fault(|faults| {
            faults.answer_within_ms = 200;
            faults.retry_reuses_nonce = reuses;
        });
        world.say("ann", "hi").await;
        let [first, second, _] = callback.received().try_into().unwrap();
        assert_signed(&second);
        assert_eq!(first.body == second.body, reuses);
        assert_eq!(first.decrypted(&key()).body, second.decrypted(&key()).body);
    }
}
