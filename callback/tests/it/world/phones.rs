//! The personas of a world and their phones: what they do, and what the callbacks know about them.

use reqwest::Response;
use scenecast_callback::stores::{User, Users};
use scenecast_scene::{Grant, Profile, SceneId, time::unix_now_ms};
use scenecast_simulator::{DeliveryOutcome, WeChatUser, menu_links};
use serde_json::Value;

use super::{CallbackWorld, Pod, name, reply, said};

impl CallbackWorld {
    /// Lets a persona scan.
    pub(crate) async fn scan(&self, persona: &str, qr_url: &str) -> DeliveryOutcome {
        self.simulator.scan(&person(persona), qr_url).await.unwrap()
    }

    /// Opens a new scene of `demo`, and lets a persona scan it. Answers the scene and what the phone shows.
    pub(crate) async fn scan_new(&self, persona: &str) -> (SceneId, DeliveryOutcome) {
        let (scene, qr_url) = self.open().await;
        (scene, self.scan(persona, &qr_url).await)
    }

    /// Lets a persona write to `demo`.
    pub(crate) async fn say(&self, persona: &str, text: &str) -> DeliveryOutcome {
        self.simulator.say(&person(persona), &name("demo"), text).await.unwrap()
    }

    /// Lets a persona touch the link with this label in what `demo` replied before.
    pub(crate) async fn touch(&self, persona: &str, asked: &DeliveryOutcome, label: &str) -> DeliveryOutcome {
        let link = menu_links(reply(asked)).into_iter().find(|link| link.label == label);
        let link = link.unwrap_or_else(|| panic!("no {label} in {asked:?}"));
        self.simulator.tap(&person(persona), &name("demo"), &link).await.unwrap()
    }

    /// Delivers the last attempt once more, to the other pod. Answers the reply.
    pub(crate) async fn again(&self, outcome: &DeliveryOutcome) -> String {
        let attempt = outcome.attempts.last().unwrap();
        let port = attempt.url.port().unwrap();
        let other = self.pods.iter().find(|pod| pod.public.port() != port).unwrap_or(self.pod());
        let mut url = attempt.url.clone();
        url.set_port(Some(other.public.port())).unwrap();
        let answered = self.http.post(url).body(attempt.body.clone()).send().await.unwrap().text().await.unwrap();
        said(&answered).to_owned()
    }

    /// The record of a persona.
    pub(crate) async fn user(&self, persona: &str) -> User {
        let openid = self.openid(persona, "demo").parse().unwrap();
        Users::new(self.store(), None).find(&name("demo"), &openid).await.unwrap().unwrap()
    }

    /// Stores that WeChat told this name of a persona a moment ago.
    pub(crate) async fn keep_name(&self, persona: &str, nickname: &str) {
        let openid = self.openid(persona, "demo").parse().unwrap();
        let profile = Profile { name: nickname.to_owned(), avatar: String::new() };
        let now = unix_now_ms();
        let kept = Users::new(self.store(), None)
            .upsert(&name("demo"), &openid, now, |user| user.set_profile(None, profile.clone(), now))
            .await;
        kept.unwrap();
    }

    /// Lets a persona scan a new scene of `demo`. Answers the grant that the page got.
    pub(crate) async fn log_in(&self, persona: &str) -> Grant {
        let (scene, qr_url) = self.open().await;
        self.scan(persona, &qr_url).await;
        self.login(scene).await.grant
    }

    /// Posts a call of a mini program.
    pub(crate) async fn miniapp(&self, pod: &Pod, call: &str, body: &Value) -> Response {
        let url = format!("http://{}/v1/miniapp/{call}", pod.public);
        self.http.post(url).body(body.to_string()).send().await.unwrap()
    }

    /// The `js_code` of `wx.login` in `mini` on a persona's phone.
    pub(crate) fn js_code(&self, persona: &str) -> String {
        self.simulator.wx_login(&person(persona), &name("mini")).unwrap()
    }

    /// The openid of a persona in an account.
    pub(crate) fn openid(&self, persona: &str, account: &str) -> String {
        self.simulator.openid(&person(persona), &name(account)).unwrap().to_string()
    }
}

pub(crate) fn person(persona: &str) -> WeChatUser {
    WeChatUser::persona(persona).unwrap()
}
