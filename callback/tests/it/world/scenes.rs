//! The pages' side of a world: opened scenes, and the events that their pages get.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use scenecast_scene::{Binding, Event, EventKind, Key, KeyRing, Login, PageInfo, Rotating, SceneId, internal};
use serde_json::{Value, json};

use super::{CallbackWorld, INTERNAL, LIFE, Pod, STATE, answer, name, unix_now};

impl CallbackWorld {
    /// A gateway's call to this callback.
    pub(crate) async fn call(&self, pod: &Pod, path: &str, body: &Value) -> Response {
        let body = body.to_string();
        let signature = internal::sign(&Rotating::fixed(INTERNAL), unix_now(), path, body.as_bytes());
        let url = format!("http://{}{path}", pod.internal);
        self.http.post(url).header(internal::HEADER, signature).body(body).send().await.unwrap()
    }

    /// Opens a new scene of `demo` with [`STATE`]. Answers the scene and the content of its QR code.
    pub(crate) async fn open(&self) -> (SceneId, String) {
        self.open_for("demo", LIFE).await
    }

    pub(crate) async fn open_for(&self, account: &str, life: Duration) -> (SceneId, String) {
        self.open_with(account, life, &PageInfo::default()).await
    }

    /// Opens a new scene of `demo` for this page.
    pub(crate) async fn open_page(&self, page: &PageInfo) -> (SceneId, String) {
        self.open_with("demo", LIFE, page).await
    }

    async fn open_with(&self, account: &str, life: Duration, page: &PageInfo) -> (SceneId, String) {
        let scene = new_scene(account);
        let mut opening = opening(scene, account, life);
        opening["page"] = json!(page);
        let opened = self.call(self.pod(), internal::OPEN_PATH, &opening).await;
        (scene, answer(opened, StatusCode::OK).await["qr"]["url"].as_str().unwrap().to_owned())
    }

    /// The kinds of the events of a scene.
    pub(crate) async fn history(&self, scene: SceneId) -> Vec<&'static str> {
        let word = |event: &Event| match event.what {
            EventKind::Scanned(_) => "scanned",
            EventKind::Confirmed(_) => "confirmed",
            EventKind::Declined => "declined",
            EventKind::Cancelled => "cancelled",
        };
        self.events(scene).await.iter().map(word).collect()
    }

    /// The events of a scene.
    pub(crate) async fn events(&self, scene: SceneId) -> Vec<Event> {
        let mailbox = self.reader().read(scene).await.unwrap().unwrap();
        mailbox.events.iter().map(|event| (**event).clone()).collect()
    }

    /// The login of this scene. Checks that there is one only.
    pub(crate) async fn login(&self, scene: SceneId) -> Login {
        let events = self.events(scene).await;
        let logins = events.iter().filter_map(|event| match &event.what {
            EventKind::Confirmed(login) => Some(login.clone()),
            _ => None,
        });
        let [login] = &logins.collect::<Vec<_>>()[..] else { panic!("{events:?}") };
        login.clone()
    }
}

pub(crate) fn opening(scene: SceneId, account: &str, life: Duration) -> Value {
    json!({ "scene": scene, "account": account, "binding": Binding::of(STATE), "life_ms": life.as_millis() })
}

pub(crate) fn new_scene(account: &str) -> SceneId {
    let ring = KeyRing::new(Rotating::fixed("a gateway's secret"));
    let (_, claims): (Key, _) = ring.issue(&name(account), None, LIFE, std::time::SystemTime::now());
    claims.scene
}
