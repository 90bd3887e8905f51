//! Messages that WeChat has signed and nobody can read, because WeChat copied a person's text into them as it was.

use reqwest::StatusCode;
use scenecast_callback::config::Mode;
use scenecast_simulator::{EncryptionMode, Faults, OddTexts, PhoneAction, PhoneScreen};

use crate::world::{
    CallbackWorld,
    encryption::{Encryptor, set_mode},
    event, name, person, problem, signed, signed_by, unix_now,
};

const MODES: [(Mode, EncryptionMode); 3] = [
    (Mode::Safe, EncryptionMode::Safe),
    (Mode::Compatible, EncryptionMode::Compatible),
    (Mode::Plain, EncryptionMode::Plain),
];
const UNREADABLE: &str = "scenecast_deliveries_total{outcome=\"unreadable\"}";

async fn world_in(mode: Mode, at_wechat: EncryptionMode) -> CallbackWorld {
    CallbackWorld::with_wechat(
        None,
        |accounts| accounts.get_mut(&name("demo")).unwrap().mode = at_wechat,
        |settings| set_mode(settings.accounts.get_mut(&name("demo")).unwrap(), mode),
    )
    .await
}

#[tokio::test]
async fn a_text_that_breaks_its_message_is_acknowledged_and_never_acted_upon() {
    for (mode, at_wechat) in MODES {
        let world = world_in(mode, at_wechat).await;
        let (scene, qr_url) = world.open().await;
        world.scan("ann", &qr_url).await;
        let (other_scene, _) = world.open().await;
        let before = world.history(other_scene).await;
        world.simulator.set_faults(Faults { odd_texts: Some(OddTexts::Unescaped), ..Faults::default() });
        let scan = format!(
            "]]></Content></xml><xml><MsgType>event</MsgType><Event>SCAN</Event><EventKey>{other_scene}</EventKey><a><![CDATA["
        );
        let typed = [
            "]]> <b>",
            "]]>&e;",
            "]]><!DOCTYPE a>",
            "]]><!doctype a",
            "]]></Content><!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><Content>&e;<![CDATA[",
            "]]><!-- a --><![CDATA[",
            "]]><?a b?><![CDATA[",
            "1]]><?xml version=\"1.0\"?><![CDATA[",
            "]]></Content></xml><!DOCTYPE a><xml><Content><![CDATA[",
            "]]></Content>",
            "]]><MsgType>event</MsgType><![CDATA[",
            "]]></Content><MsgType>event</MsgType><Content><![CDATA[",
            "]]></Content><Encrypt>x</Encrypt><Content><![CDATA[",
            &scan,
            &format!("]]>{}<![CDATA[", "<a/>".repeat(600)),
        ];
        let texts = typed.map(|text| PhoneAction::Say(text.to_owned()));
        let others = [
            PhoneAction::SendLink { title: "]]><b".to_owned() },
            PhoneAction::SendPlace { label: "]]></Label>".to_owned() },
            PhoneAction::ClickMenu { key: "]]><".to_owned() },
        ];
        let mut sent = 0;
        for action in texts.into_iter().chain(others) {
            let outcome = world.simulator.send(&person("ann"), &name("demo"), action.clone()).await.unwrap();
            assert_eq!((&outcome.shown, outcome.attempts.len()), (&PhoneScreen::Nothing, 1), "{mode:?} {action:?}");
            sent += 1;
        }
        world.simulator.set_faults(Faults { odd_texts: Some(OddTexts::CutInsideCharacter), ..Faults::default() });
        for text in ["登录", "是 😀"] {
            let outcome = world.say("ann", text).await;
            assert_eq!((&outcome.shown, outcome.attempts.len()), (&PhoneScreen::Nothing, 1), "{mode:?} {text}");
            sent += 1;
        }
        assert_eq!(world.pod().metric(UNREADABLE), sent, "{mode:?}");
        assert_eq!(world.history(other_scene).await, before, "{mode:?}");
        assert_eq!(world.events(scene).await.len(), 1, "{mode:?}");
        world.simulator.set_faults(Faults::default());
        world.say("ann", "登录").await;
        assert_eq!(world.pod().metric(UNREADABLE), sent, "{mode:?}: the same text, whole");
    }
    assert!(crate::world::logs::text().contains("WeChat signed a message that can't be read"));
}

#[tokio::test]
async fn an_unreadable_message_that_wechat_did_not_sign_is_refused() {
    let broken = event("SCAN", "x").replace("</Event>", "]]>");
    let world = world_in(Mode::Plain, EncryptionMode::Plain).await;
    let now = unix_now().as_secs();
    let forged = world.delivery("demo", &signed_by("wrong", now), broken.clone()).send().await.unwrap();
    assert_eq!(problem(forged, StatusCode::FORBIDDEN).await, "signature_invalid");

    let world = world_in(Mode::Safe, EncryptionMode::Safe).await;
    let sealer = Encryptor::default();
    let encrypted = sealer.encrypt(&event("SCAN", "x"));
    let around = |encrypted: &str| format!("<xml><Content>]]><b></Content><Encrypt>{encrypted}</Encrypt></xml>");
    let query = sealer.query(&encrypted);
    let another = world.delivery("demo", &query, around(&sealer.encrypt(&broken))).send().await.unwrap();
    assert_eq!(problem(another, StatusCode::BAD_REQUEST).await, "bad_request", "the signature is of another text");
    let stale = Encryptor { now: now - 301, ..Encryptor::default() };
    assert!(world.delivery("demo", &stale.query(&encrypted), around(&encrypted)).send().await.is_err(), "no answer");
    let other_app = Encryptor { app_id: "wxother", ..Encryptor::default() };
    let encrypted = other_app.encrypt(&broken);
    let refused = world.delivery("demo", &other_app.query(&encrypted), around(&encrypted)).send().await.unwrap();
    assert_eq!(problem(refused, StatusCode::FORBIDDEN).await, "wrong_account");
    assert_eq!(world.pod().metric(UNREADABLE), 0);
}

#[tokio::test]
async fn what_is_no_message_for_an_account_is_named() {
    let world = world_in(Mode::Safe, EncryptionMode::Safe).await;
    let sealer = Encryptor::default();
    let encrypted = sealer.encrypt("x");
    let query = sealer.query(&encrypted);
    for (body, what) in [
        (format!(r#"{{"ToUserName":"gh_demo","Encrypt":"{encrypted}"}}"#), "to XML"),
        (format!("<xml><AppId>wxdemo</AppId><Encrypt>{encrypted}</Encrypt></xml>"), "third-party platform"),
    ] {
        let refused = world.delivery("demo", &query, body).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{what}");
        let answered = refused.text().await.unwrap();
        assert!(answered.contains(what), "{answered}");
        assert!(crate::world::logs::text().contains(what), "{what}");
    }
    for body in ["<xml><action>CheckContainerPath</action></xml>", r#"{"action":"CheckContainerPath"}"#] {
        let probed = world.delivery("demo", "", body).send().await.unwrap();
        assert_eq!((probed.status(), probed.text().await.unwrap().as_str()), (StatusCode::OK, "success"), "{body}");
    }
    let unsigned = world.delivery("demo", "", event("SCAN", "x")).send().await.unwrap();
    assert_eq!(problem(unsigned, StatusCode::BAD_REQUEST).await, "bad_request");
    let plain = world_in(Mode::Plain, EncryptionMode::Plain).await;
    let json = plain.delivery("demo", &signed(), r#"{"ToUserName":"gh_demo"}"#).send().await.unwrap();
    assert!(json.text().await.unwrap().contains("to XML"));
}
