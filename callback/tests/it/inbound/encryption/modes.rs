//! The account's mode is enforced, and only what WeChat has signed and encrypted is read.

use reqwest::StatusCode;
use scenecast_callback::config::Mode;
use scenecast_scene::Rotating;
use scenecast_testing::RedisServer;

use crate::world::{
    AES_KEY, CallbackWorld, ORIGINAL_ID, TOKEN,
    encryption::{Encryptor, enveloped, set_mode},
    event, event_at, name, problem, signed, unix_now, with_elements,
};

const LOGGED_IN: &str = "You are logged in. Please go back to the page.";
const OLD_TOKEN: &str = "deliveryToken0";
const OLD_KEY: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

/// A body as in compatible mode: the plain message, and the encrypted text beside it.
fn both(plain: &str, encrypted: &str) -> String {
    with_elements(plain, &format!("<Encrypt><![CDATA[{encrypted}]]></Encrypt>"))
}

/// The code of the problem in the answer.
async fn refused(world: &CallbackWorld, query: &str, body: impl Into<reqwest::Body>, status: StatusCode) -> String {
    problem(world.delivery("demo", query, body).send().await.unwrap(), status).await
}

#[tokio::test]
async fn a_scan_logs_in_and_its_redelivery_gets_the_same_reply() {
    for mode in [Mode::Safe, Mode::Compatible] {
        for redis in [None, Some(RedisServer::start().await)] {
            let mut world = CallbackWorld::in_mode(redis, mode).await;
            let other = world.add_pod().await;
            let (scene, _) = world.open().await;
            let scan = event("SCAN", &scene.to_string());
            assert_eq!(world.deliver_sealed(&Encryptor::default(), &scan).await, LOGGED_IN);
            let sealer = Encryptor::default();
            let again = sealer.encrypt(&scan);
            let url = format!("http://{}/wechat/demo?{}", other.public, sealer.query(&again));
            let answered = world.http.post(url).body(both(&scan, &again)).send().await.unwrap();
            assert_eq!(sealer.read_reply(&answered.text().await.unwrap()), LOGGED_IN);
            assert_eq!(world.events(scene).await.len(), 1);
        }
    }
}

#[tokio::test]
async fn an_acknowledgement_is_not_encrypted() {
    let world = CallbackWorld::in_mode(None, Mode::Safe).await;
    for message in [event("LOCATION", ""), event("CLICK", "a-menu"), event("unsubscribe", "")] {
        assert_eq!(world.deliver_sealed(&Encryptor::default(), &message).await, "success");
    }
    let welcomed = world.deliver_sealed(&Encryptor::default(), &event("subscribe", "last_trade_no_4")).await;
    assert_eq!(welcomed, "Welcome!");
}

#[tokio::test]
async fn the_configured_mode_is_enforced() {
    let sealer = Encryptor::default();
    let encrypted = sealer.encrypt(&event("SCAN", "x"));
    for mode in [Mode::Safe, Mode::Compatible] {
        let world = CallbackWorld::in_mode(None, mode).await;
        for (query, body) in [
            (signed(), event("SCAN", "x")),
            (format!("{}&encrypt_type=raw", signed()), event("SCAN", "x")),
            (signed(), enveloped(&encrypted)),
            (sealer.query(&encrypted).replace("encrypt_type=aes&", ""), enveloped(&encrypted)),
            (sealer.query(""), event("SCAN", "x")),
        ] {
            assert_eq!(refused(&world, &query, body, StatusCode::FORBIDDEN).await, "mode_mismatch", "{query}");
        }
    }
    let plain = CallbackWorld::in_mode(None, Mode::Plain).await;
    for body in [enveloped(&encrypted), both(&event("SCAN", "x"), &encrypted), event("SCAN", "x")] {
        let code = refused(&plain, &sealer.query(&encrypted), body, StatusCode::FORBIDDEN).await;
        assert_eq!(code, "mode_mismatch");
    }
}

#[tokio::test]
async fn only_the_encrypted_text_is_read() {
    for mode in [Mode::Safe, Mode::Compatible] {
        let world = CallbackWorld::in_mode(None, mode).await;
        let ((scene, _), (other, _)) = (world.open().await, world.open().await);
        let sealer = Encryptor::default();
        let encrypted = sealer.encrypt(&event("SCAN", &scene.to_string()));
        let forged = both(&event("SCAN", &other.to_string()).replace("oNobody", "oMallory"), &encrypted);
        let answered = world.delivery("demo", &sealer.query(&encrypted), forged).send().await.unwrap();
        assert_eq!(sealer.read_reply(&answered.text().await.unwrap()), LOGGED_IN);
        assert_eq!((world.events(scene).await.len(), world.events(other).await.len()), (1, 0));
    }
}

#[tokio::test]
async fn the_signature_that_covers_no_message_is_ignored() {
    let world = CallbackWorld::in_mode(None, Mode::Safe).await;
    let sealer = Encryptor::default();
    let encrypted = sealer.encrypt(&event("LOCATION", ""));
    let query = sealer.query(&encrypted);
    for query in [query.replacen("signature=", "signature=0", 1), query.replacen("signature=", "x=", 1)] {
        let answered = world.delivery("demo", &query, enveloped(&encrypted)).send().await.unwrap();
        assert_eq!(answered.text().await.unwrap(), "success", "{query}");
    }
}

#[tokio::test]
async fn secrets_are_rotated_without_a_refusal_and_a_reply_uses_the_secrets_of_its_message() {
    let world = CallbackWorld::with(None, |settings| {
        let demo = settings.accounts.get_mut(&name("demo")).unwrap();
        set_mode(demo, Mode::Safe);
        demo.token = Rotating { current: TOKEN.into(), previous: Some(OLD_TOKEN.into()) };
        demo.aes_key.as_mut().unwrap().previous = Some(OLD_KEY.parse().unwrap());
    })
    .await;
    for token in [TOKEN, OLD_TOKEN] {
        for key in [AES_KEY, OLD_KEY] {
            let sealer = Encryptor { token, key: key.parse().unwrap(), ..Encryptor::default() };
            assert_eq!(world.deliver_sealed(&sealer, &event("subscribe", "")).await, "Welcome!");
        }
    }
    // Half of the four messages each. So an operator sees when the previous value is no longer used.
    for setting in ["accounts.demo.token", "accounts.demo.aes_key"] {
        let line = format!("scenecast_previous_secrets_used_total{{setting=\"{setting}\"}}");
        assert_eq!(world.pod().metric(&line), 2, "{setting}");
    }
    let sealer = Encryptor { key: "B".repeat(43).parse().unwrap(), ..Encryptor::default() };
    let encrypted = sealer.encrypt(&event("subscribe", ""));
    let code = refused(&world, &sealer.query(&encrypted), enveloped(&encrypted), StatusCode::BAD_REQUEST).await;
    assert_eq!(code, "undecryptable");
}

#[tokio::test]
async fn a_signature_of_another_message_is_refused() {
    let world = CallbackWorld::in_mode(None, Mode::Safe).await;
    let sealer = Encryptor::default();
    let encrypted = sealer.encrypt(&event("SCAN", "x"));
    let query = sealer.query(&encrypted);
    let (_, nonce) = query.split_once("&nonce=").unwrap();
    let nonce = format!("&nonce={}&", nonce.split_once('&').unwrap().0);
    for query in [
        query.replace(&nonce, "&nonce=1&"),
        sealer.query(&sealer.encrypt(&event("SCAN", "x"))),
        Encryptor { token: "wrong", ..Encryptor::default() }.query(&encrypted),
        query.replace("&msg_signature=", "&msg_signature=0"),
        format!("{}&encrypt_type=aes&msg_signature=", signed()),
    ] {
        let code = refused(&world, &query, enveloped(&encrypted), StatusCode::FORBIDDEN).await;
        assert_eq!(code, "signature_invalid", "{query}");
    }
    for query in [
        query.replace("&msg_signature=", "&signature_msg="),
        query.replace(&nonce, "&"),
        format!("{query}&encrypt_type=aes"),
        query.replace("encrypt_type=aes", "encrypt_type=des"),
        // The first three blocks moved into the nonce, which the signature can't tell.
        query.replace(&nonce, &format!("{}{}&", nonce.trim_end_matches('&'), &encrypted[..64])),
        String::new(),
    ] {
        let code = refused(&world, &query, enveloped(&encrypted), StatusCode::BAD_REQUEST).await;
        assert_eq!(code, "bad_request", "{query}");
    }
}

#[tokio::test]
async fn a_changed_message_is_refused() {
    let world = CallbackWorld::in_mode(None, Mode::Safe).await;
    let sealer = Encryptor::default();
    let encrypted = sealer.encrypt(&event("SCAN", "x"));
    let query = sealer.query(&encrypted);
    // One character in each block of 16 bytes.
    for at in (0..encrypted.len()).step_by(21) {
        let flipped = if &encrypted[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{flipped}{}", &encrypted[..at], &encrypted[at + 1..]);
        let code = refused(&world, &query, enveloped(&changed), StatusCode::FORBIDDEN).await;
        assert_eq!(code, "signature_invalid");
        let signed_again = world.delivery("demo", &sealer.query(&changed), enveloped(&changed)).send().await.unwrap();
        let is_refused = signed_again.status().is_client_error();
        assert!(is_refused || signed_again.text().await.unwrap() == "success", "{at} of {encrypted}");
    }
}

#[tokio::test]
async fn a_malformed_envelope_is_refused() {
    let world = CallbackWorld::in_mode(None, Mode::Safe).await;
    let sealer = Encryptor::default();
    let good = sealer.encrypt(&event("SCAN", "x"));
    let whole = enveloped(&good);
    for (encrypted, body, status, code) in [
        ("", enveloped(""), StatusCode::BAD_REQUEST, "bad_request"),
        (&good, String::new(), StatusCode::BAD_REQUEST, "bad_request"),
        (&good, format!("<!DOCTYPE xml [<!ENTITY x 'y'>]>{whole}"), StatusCode::BAD_REQUEST, "bad_request"),
        (&good, whole.replace("ToUserName", "ToSomebody"), StatusCode::BAD_REQUEST, "bad_request"),
        (&good, whole[..whole.len() / 2].to_owned(), StatusCode::BAD_REQUEST, "bad_request"),
        (&good, format!("{{\"Encrypt\":\"{good}\"}}"), StatusCode::BAD_REQUEST, "bad_request"),
        (&good, whole.replace(ORIGINAL_ID, "gh_other"), StatusCode::FORBIDDEN, "wrong_account"),
        (&good, enveloped(&"A".repeat(64 * 1024)), StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
    ] {
        assert_eq!(refused(&world, &sealer.query(encrypted), body.clone(), status).await, code, "{body}");
    }
}

#[tokio::test]
async fn an_unsigned_verification_is_refused_in_every_mode() {
    for mode in [Mode::Safe, Mode::Compatible, Mode::Plain] {
        let world = CallbackWorld::in_mode(None, mode).await;
        let verification = "<xml><action>Verify</action></xml>";
        assert_eq!(refused(&world, "", verification, StatusCode::BAD_REQUEST).await, "bad_request");
    }
}

#[tokio::test]
async fn in_safe_mode_only_a_login_waits_for_redis() {
    let mut world = CallbackWorld::in_mode(Some(RedisServer::start().await), Mode::Safe).await;
    world.redis.as_mut().unwrap().stop().await;
    assert_eq!(world.deliver_sealed(&Encryptor::default(), &event("LOCATION", "")).await, "success");
    let sent = unix_now().as_secs() - 10;
    let scan = event_at(sent, "SCAN", "AAAAAAAAAAAAAAAAAAAAAA");
    let told = world.deliver_sealed(&Encryptor::default(), &scan).await;
    assert!(told.contains("Please scan again."), "WeChat's last attempt: {told}");
}
