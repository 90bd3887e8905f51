//! Messages that another implementation encrypted: wechatpy 1.8.18, and `PyCryptodome` 4.4.0 for those that no library
//! makes.

use reqwest::{Response, StatusCode};
use scenecast_callback::config::Mode;
use scenecast_scene::Rotating;
use scenecast_wechat::{AesKey, Message, MessageKind, SignedQuery, sign};
use serde::Deserialize;

use crate::world::{CallbackWorld, encryption::set_mode, name, problem, unix_now};

#[derive(Deserialize)]
struct Made {
    token: String,
    aes_key: String,
    previous_aes_key: String,
    app_id: String,
    original_id: String,
    good: Vec<Vector>,
    bad: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    /// What is special about it.
    what: String,
    timestamp: String,
    nonce: String,
    msg_signature: String,
    encrypt: String,
    /// What it says, if it is a text.
    text: Option<String>,
    menu_id: Option<String>,
    ticket: Option<String>,
    /// The outcome's word in our metrics.
    #[serde(rename = "reply", alias = "code")]
    outcome: String,
}

fn made() -> Made {
    serde_json::from_str(include_str!("independent.json")).unwrap()
}

impl Made {
    fn keys(&self) -> Rotating<AesKey> {
        let previous = Some(self.previous_aes_key.parse().unwrap());
        Rotating { current: self.aes_key.parse().unwrap(), previous }
    }

    async fn world(&self) -> CallbackWorld {
        CallbackWorld::with(None, |settings| {
            let demo = settings.accounts.get_mut(&name("demo")).unwrap();
            set_mode(demo, Mode::Safe);
            demo.aes_key = Some(self.keys());
            demo.token = Rotating::fixed(&self.token);
            (demo.app_id, demo.original_id) = (self.app_id.clone(), self.original_id.clone());
        })
        .await
    }

    /// Delivers it with a new signature, since the old one has expired.
    async fn deliver(&self, world: &CallbackWorld, vector: &Vector) -> Response {
        let (now, encrypt) = (unix_now().as_secs().to_string(), &vector.encrypt);
        let signature = sign(&[&self.token, &now, &vector.nonce, encrypt]);
        let query = format!("timestamp={now}&nonce={}&encrypt_type=aes&msg_signature={signature}", vector.nonce);
        let body = format!("<xml><ToUserName>{}</ToUserName><Encrypt>{encrypt}</Encrypt></xml>", self.original_id);
        world.delivery("demo", &query, body).send().await.unwrap()
    }
}

#[test]
fn each_signature_is_accepted_and_each_character_is_read() {
    let made = made();
    for vector in &made.good {
        let signed =
            SignedQuery { signature: &vector.msg_signature, timestamp: &vector.timestamp, nonce: &vector.nonce };
        let (token, now) = (Rotating::fixed(&made.token), vector.timestamp.parse().unwrap());
        assert!(signed.verify_encrypted(&vector.encrypt, &token, now).is_ok(), "{}", vector.what);
        let keys = made.keys();
        let (message, _) = AesKey::decrypt_with_any(&keys, &vector.encrypt, &made.app_id).unwrap();
        let message = Message::parse(&message).unwrap();
        assert_eq!((&message.menu_id, &message.ticket), (&vector.menu_id, &vector.ticket), "{}", vector.what);
        if let Some(text) = &vector.text {
            assert_eq!(message.kind, MessageKind::Text(text.clone()), "{}", vector.what);
        }
    }
}

#[tokio::test]
async fn each_message_is_handled_by_its_kind() {
    let made = made();
    let world = made.world().await;
    for vector in &made.good {
        let metric = format!("scenecast_deliveries_total{{outcome=\"{}\"}}", vector.outcome);
        let before = world.pod().metric(&metric);
        assert_eq!(made.deliver(&world, vector).await.status(), StatusCode::OK, "{}", vector.what);
        assert_eq!(world.pod().metric(&metric), before + 1, "{}", vector.what);
    }
}

#[tokio::test]
async fn a_message_that_wechat_would_not_send_is_refused_with_the_reason() {
    let made = made();
    let world = made.world().await;
    for vector in &made.bad {
        let refused = made.deliver(&world, vector).await;
        if vector.outcome == "unreadable" {
            assert_eq!(refused.text().await.unwrap(), "success", "WeChat's own, all the same: {}", vector.what);
            continue;
        }
        let status = if vector.outcome == "wrong_account" { StatusCode::FORBIDDEN } else { StatusCode::BAD_REQUEST };
        assert_eq!(problem(refused, status).await, vector.outcome, "{}", vector.what);
    }
}
