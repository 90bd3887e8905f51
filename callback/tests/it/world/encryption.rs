//! What WeChat does in safe and compatible mode: it encrypts and signs its messages, and decrypts replies.

use reqwest::StatusCode;
use scenecast_callback::config::{AccountSettings, Mode};
use scenecast_scene::Rotating;
use scenecast_testing::RedisServer;
use scenecast_wechat::{AesKey, sign};

use crate::world::{AES_KEY, CallbackWorld, ORIGINAL_ID, TOKEN, name, unix_now};

pub(crate) const APP_ID: &str = "wxdemo";

/// Encrypts as WeChat does for the account `demo`, unless a test changes a value.
pub(crate) struct Encryptor {
    pub(crate) token: &'static str,
    pub(crate) key: AesKey,
    pub(crate) app_id: &'static str,
    pub(crate) now: u64,
}

impl Default for Encryptor {
    fn default() -> Self {
        Self { token: TOKEN, key: AES_KEY.parse().unwrap(), app_id: APP_ID, now: unix_now().as_secs() }
    }
}

impl Encryptor {
    /// The encrypted message, as in `Encrypt`.
    pub(crate) fn encrypt(&self, message: &str) -> String {
        self.key.encrypt(message.as_bytes(), self.app_id, rand::random())
    }

    /// The query that signs the encrypted text.
    pub(crate) fn query(&self, encrypted: &str) -> String {
        let (timestamp, nonce) = (self.now.to_string(), rand::random::<u32>().to_string());
        let signature = sign(&[self.token, &timestamp, &nonce]);
        let over = sign(&[self.token, &timestamp, &nonce, encrypted]);
        format!(
            "signature={signature}&timestamp={timestamp}&nonce={nonce}&openid=oNobody&encrypt_type=aes\
             &msg_signature={over}"
        )
    }

    /// The text in a reply. Checks that the reply is signed and encrypted with the same secrets, now.
    pub(crate) fn read_reply(&self, reply: &str) -> String {
        let document = |text: &str, name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {text}"));
            let (value, _) = rest.split_once(&format!("</{name}>")).unwrap();
            value.trim_start_matches("<![CDATA[").trim_end_matches("]]>").to_owned()
        };
        let (timestamp, encrypted) = (document(reply, "TimeStamp"), document(reply, "Encrypt"));
        let signature = sign(&[self.token, &timestamp, &document(reply, "Nonce"), &encrypted]);
        assert_eq!(document(reply, "MsgSignature"), signature);
        assert!(timestamp.parse::<u64>().unwrap().abs_diff(self.now) < 10, "{timestamp}");
        let inside = String::from_utf8(self.key.decrypt(&encrypted, self.app_id).unwrap()).unwrap();
        assert_eq!(document(&inside, "FromUserName"), ORIGINAL_ID);
        document(&inside, "Content")
    }
}

/// The XML around the encrypted text.
pub(crate) fn enveloped(encrypted: &str) -> String {
    format!("<xml><ToUserName><![CDATA[{ORIGINAL_ID}]]></ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>")
}

/// Sets an account to this mode, with its keys.
pub(crate) fn set_mode(account: &mut AccountSettings, mode: Mode) {
    account.mode = mode;
    account.aes_key = Some(Rotating { current: AES_KEY.parse().unwrap(), previous: None });
}

impl CallbackWorld {
    /// One callback whose account `demo` is in this mode.
    pub(crate) async fn in_mode(redis: Option<RedisServer>, mode: Mode) -> Self {
        Self::with(redis, |settings| set_mode(settings.accounts.get_mut(&name("demo")).unwrap(), mode)).await
    }

    /// Delivers an encrypted message, and reads the reply.
    pub(crate) async fn deliver_sealed(&self, sealer: &Encryptor, message: &str) -> String {
        let encrypted = sealer.encrypt(message);
        let answered = self.delivery("demo", &sealer.query(&encrypted), enveloped(&encrypted)).send().await.unwrap();
        assert_eq!(answered.status(), StatusCode::OK);
        let answered = answered.text().await.unwrap();
        if answered == "success" { answered } else { sealer.read_reply(&answered) }
    }
}
