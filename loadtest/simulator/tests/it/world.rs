//! A running simulator with one account, and a client for it.

use std::collections::BTreeMap;

use reqwest::{Response, StatusCode};
use scenecast_scene::AccountName;
use scenecast_service::shutdown::Shutdown;
use scenecast_simulator::{DeliveryOutcome, Faults, SimulatedAccount, Simulator, WeChatUser, http};
use serde_json::{Value, json};
use url::Url;

use crate::scripted_callback::{Callback, bind};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const TOKEN: &str = "demoToken1";

pub(crate) struct SimulatorWorld {
    pub(crate) simulator: Simulator,
    pub(crate) account: AccountName,
    pub(crate) http: reqwest::Client,
    app_id: String,
    url: Url,
}

impl SimulatorWorld {
    /// A simulator whose account has no callback.
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// A simulator whose account has this callback.
    pub(crate) async fn calling(callback: &Callback) -> Self {
        Self::with(|account| account.callbacks = vec![callback.url()]).await
    }

    /// A simulator whose account has these callbacks.
    pub(crate) async fn calling_in_turn(callbacks: Vec<Url>) -> Self {
        Self::with(|account| account.callbacks = callbacks).await
    }

    /// A simulator whose account is changed by `set_up`.
    pub(crate) async fn with(set_up: impl FnOnce(&mut SimulatedAccount)) -> Self {
        Self::hosting(SimulatedAccount::sample(SECRET.into(), TOKEN.into()), set_up).await
    }

    /// A simulator whose mini program is changed by `set_up`.
    pub(crate) async fn with_mini_program(set_up: impl FnOnce(&mut SimulatedAccount)) -> Self {
        Self::hosting(SimulatedAccount::sample_mini_program(SECRET.into(), TOKEN.into()), set_up).await
    }

    async fn hosting(mut account: SimulatedAccount, set_up: impl FnOnce(&mut SimulatedAccount)) -> Self {
        set_up(&mut account);
        let app_id = account.app_id.clone();
        let listener = bind().await;
        let url = http(listener.address());
        let name: AccountName = "demo".parse().unwrap();
        let simulator = Simulator::new(url.clone(), BTreeMap::from([(name.clone(), account)]));
        tokio::spawn(listener.serve(simulator.router(), Shutdown::never()));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { simulator, account: name, app_id, http, url }
    }

    pub(crate) fn fault(&self, change: impl FnOnce(&mut Faults)) {
        let mut faults = self.simulator.faults();
        change(&mut faults);
        self.simulator.set_faults(faults);
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        self.url.join(path).unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    pub(crate) async fn get_json(&self, path: &str) -> Value {
        json_of(self.get(path).await).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Value {
        json_of(self.http.post(self.url(path)).json(body).send().await.unwrap()).await
    }

    pub(crate) async fn stable_token(&self) -> Value {
        let body = json!({ "grant_type": "client_credential", "appid": self.app_id, "secret": SECRET });
        self.post_json("/cgi-bin/stable_token", &body).await
    }

    pub(crate) async fn access_token(&self) -> String {
        text(&self.stable_token().await, "access_token")
    }

    /// The answer of `qrcode/create` for a code that is valid for a minute.
    pub(crate) async fn create_qr(&self, scene: &str) -> Value {
        let token = self.access_token().await;
        let body = json!({
            "expire_seconds": 60, "action_name": "QR_STR_SCENE", "action_info": { "scene": { "scene_str": scene } },
        });
        self.post_json(&format!("/cgi-bin/qrcode/create?access_token={token}"), &body).await
    }

    /// Lets this persona scan a new code for this scene.
    pub(crate) async fn scan(&self, persona: &str, scene: &str) -> DeliveryOutcome {
        let url = text(&self.create_qr(scene).await, "url");
        self.simulator.scan(&person(persona), &url).await.unwrap()
    }

    pub(crate) async fn say(&self, persona: &str, words: &str) -> DeliveryOutcome {
        self.simulator.say(&person(persona), &self.account, words).await.unwrap()
    }

    pub(crate) fn openid(&self, persona: &str) -> String {
        self.simulator.openid(&person(persona), &self.account).unwrap().as_str().to_owned()
    }
}

pub(crate) fn person(persona: &str) -> WeChatUser {
    WeChatUser::persona(persona).unwrap()
}

/// WeChat's errors have status 200 too, so any other status fails the test.
async fn json_of(response: Response) -> Value {
    assert_eq!(response.status(), StatusCode::OK);
    response.json().await.unwrap()
}

pub(crate) fn text(json: &Value, field: &str) -> String {
    json[field].as_str().unwrap_or_else(|| panic!("no {field} in {json}")).to_owned()
}
