//! The phone before a page.

use std::net::SocketAddr;

use scenecast_loadtest::simulator::Simulator;
use scenecast_shared::scene::AccountName;

use super::*;

/// What a page shows to phones.
#[derive(Debug, Clone)]
pub(super) enum Shown {
    /// Nothing yet.
    Nothing,
    /// An Official Account's QR code, which says this.
    Qr(String),
    /// A mini program's code, which says this.
    MiniProgram(String),
    /// A code to type.
    Code(String),
}

/// A phone before a page that shows something.
#[derive(Clone)]
pub(super) struct Phone {
    pub(super) shown: Shown,
    simulator: Simulator,
    account: AccountName,
    mini_program: AccountName,
    callback: SocketAddr,
}

/// What a phone shows in the end, and how often WeChat delivered for that.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) shown: Screen,
    pub(super) attempts: usize,
}

impl Done {
    pub(super) fn is_login(&self) -> bool {
        self.shown == Screen::Reply(LOGGED_IN.to_owned())
    }
}

impl Phone {
    /// Before a page that shows this.
    pub(super) fn before(cluster: &Cluster, shown: Shown) -> Self {
        Self {
            shown,
            simulator: cluster.simulator.clone(),
            account: cluster.account.clone(),
            mini_program: cluster.mini_program.clone(),
            callback: cluster.callback_public(0),
        }
    }

    /// Somebody does with it what logs the page in.
    pub(super) async fn log_in(&self, who: &Person) -> Result<Done, CannotDo> {
        let outcome = match &self.shown {
            Shown::Nothing => panic!("the page shows nothing"),
            Shown::Qr(url) => self.simulator.scan(who, url).await?,
            Shown::Code(code) => {
                if !self.simulator.follows(who, &self.account)? {
                    self.simulator.send(who, &self.account, Deed::Follow { event_key: None }).await?;
                }
                self.simulator.say(who, &self.account, code).await?
            }
            Shown::MiniProgram(url) => return self.open_page(who, url).await,
        };
        Ok(Done { shown: outcome.shown, attempts: outcome.attempts.len() })
    }

    /// The mini program's own page: it is told of the scan, and says so.
    async fn open_page(&self, who: &Person, url: &str) -> Result<Done, CannotDo> {
        let scene = self.simulator.scan_code(url)?.scene();
        let js_code = self.simulator.wx_login(who, &self.mini_program)?;
        let body = json!({ "account": self.mini_program, "js_code": js_code, "scene": scene });
        let url = format!("http://{}/v1/miniapp/scan", self.callback);
        let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
        let is_login = answer.json::<Value>().await.unwrap()["state"] == "confirmed";
        let shown = if is_login { Screen::Reply(LOGGED_IN.to_owned()) } else { Screen::Nothing };
        Ok(Done { shown, attempts: 1 })
    }

    /// Who somebody is to the account that the page logs in with.
    pub(super) fn openid(&self, who: &Person) -> String {
        let is_mini_program = matches!(self.shown, Shown::MiniProgram(_));
        let account = if is_mini_program { &self.mini_program } else { &self.account };
        self.simulator.openid(who, account).unwrap().as_str().to_owned()
    }
}
