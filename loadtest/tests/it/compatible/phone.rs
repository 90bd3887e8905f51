//! The phone that scans or types a page's code.

use std::net::SocketAddr;

use scenecast_scene::AccountName;
use scenecast_simulator::Simulator;

use super::*;

/// What a page shows.
#[derive(Debug, Clone)]
pub(super) enum Shown {
    /// Nothing yet.
    Nothing,
    /// An Official Account's QR code with this content.
    Qr(String),
    /// A mini program's code with this content.
    MiniProgram(String),
    /// A code that the user types.
    Code(String),
}

/// A phone, and what the page before it shows.
#[derive(Clone)]
pub(super) struct Phone {
    pub(super) shown: Shown,
    simulator: Simulator,
    account: AccountName,
    mini_program: AccountName,
    callback: SocketAddr,
}

/// What a phone shows in the end, and how many attempts to deliver WeChat made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) shown: PhoneScreen,
    pub(super) attempts: usize,
}

impl Done {
    pub(super) fn is_login(&self) -> bool {
        self.shown == PhoneScreen::Reply(LOGGED_IN.to_owned())
    }
}

impl Phone {
    /// A phone before a page that shows this.
    pub(super) fn before(cluster: &Cluster, shown: Shown) -> Self {
        Self {
            shown,
            simulator: cluster.simulator.clone(),
            account: cluster.account.clone(),
            mini_program: cluster.mini_program.clone(),
            callback: cluster.callback_public(0),
        }
    }

    /// Lets a user log in with the page's code.
    pub(super) async fn log_in(&self, who: &WeChatUser) -> Result<Done, ActionError> {
        let outcome = match &self.shown {
            Shown::Nothing => panic!("the page shows nothing"),
            Shown::Qr(url) => self.simulator.scan(who, url).await?,
            Shown::Code(code) => {
                if !self.simulator.follows(who, &self.account)? {
                    self.simulator.send(who, &self.account, PhoneAction::Follow { event_key: None }).await?;
                }
                self.simulator.say(who, &self.account, code).await?
            }
            Shown::MiniProgram(url) => return self.open_page(who, url).await,
        };
        Ok(Done { shown: outcome.shown, attempts: outcome.attempts.len() })
    }

    /// Opens the mini program's page, which reports the scan to the callback.
    async fn open_page(&self, who: &WeChatUser, url: &str) -> Result<Done, ActionError> {
        let scene = self.simulator.scan_code(url)?.scene();
        let js_code = self.simulator.wx_login(who, &self.mini_program)?;
        let body = json!({ "account": self.mini_program, "js_code": js_code, "scene": scene });
        let url = format!("http://{}/v1/miniapp/scan", self.callback);
        let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
        let is_login = answer.json::<Value>().await.unwrap()["state"] == "confirmed";
        let shown = if is_login { PhoneScreen::Reply(LOGGED_IN.to_owned()) } else { PhoneScreen::Nothing };
        Ok(Done { shown, attempts: 1 })
    }

    /// The openid of a user for the account that the page logs in with.
    pub(super) fn openid(&self, who: &WeChatUser) -> String {
        let is_mini_program = matches!(self.shown, Shown::MiniProgram(_));
        let account = if is_mini_program { &self.mini_program } else { &self.account };
        self.simulator.openid(who, account).unwrap().as_str().to_owned()
    }
}
