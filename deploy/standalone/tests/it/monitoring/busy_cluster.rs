//! Gateways and callbacks on which all that a metric counts happens, some of it again and again.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::Client;
use scenecast_browsers::{
    cookie_browser::{CookieBrowser, PageSocket},
    login_page::{LoginPage, PageFrame, PageMessage},
};
use scenecast_loadtest::{
    cluster::{API_KEY, Cluster, ORIGIN, Setup},
    crowd::{Crowd, CrowdConfig, Phones, ReadyPods, ReplyPhrases, SiteBackend},
};
use scenecast_simulator::{PhoneAction, WeChatUser, read_code};
use serde_json::json;
use tokio::task::JoinSet;

use super::prometheus::ScrapedJob;

/// A site where nobody listens takes no webhooks. The other account has a secret that WeChat refuses, so its pages
/// get digits in place of QR codes; and WeChat tells it no addresses.
const SETTINGS: &str = "[accounts.demo.webhooks]\nurl = 'http://127.0.0.1:1/'\n\
    secret.current = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'\n\
    [accounts.refused]\napp_id = 'wx9876543210fedcba'\noriginal_id = 'gh_ba9876543210'\n\
    secret = 'ffffffffffffffffffffffffffffffff'\nmode = 'plain'\ntoken.current = 'TokenOfTheOtherAccount'\n\
    confirmation = 'tap'\ncheck_source_address = true\n";
const GATEWAYS: usize = 2;
const PAGES: u32 = 20;
const SCANS_PER_SECOND: f64 = 20.0;

/// Two gateways and a callback. Dropping it ends all of them, and the people and pages.
pub(super) struct BusyCluster {
    cluster: Cluster,
    pages: Vec<LoginPage>,
    foreign: Option<PageSocket>,
    /// Those who log in again and again.
    people: JoinSet<()>,
}

impl BusyCluster {
    /// Starts it. Nothing has happened yet.
    pub(super) async fn start() -> Self {
        let setup = Setup {
            gateways: GATEWAYS,
            confirmation: "tap",
            callback_settings: SETTINGS.to_owned(),
            ..Setup::default()
        };
        Self { cluster: Cluster::start_as(setup).await, pages: vec![], foreign: None, people: JoinSet::new() }
    }

    /// What a Prometheus has to scrape.
    pub(super) fn jobs(&self) -> [ScrapedJob; 2] {
        let gateways = (0..GATEWAYS).map(|n| self.cluster.gateway_admin(n)).collect();
        [
            ScrapedJob { name: "scenecast-gateway", pods: gateways },
            ScrapedJob { name: "scenecast-callback", pods: vec![self.cluster.callback_admin(0)] },
        ]
    }

    /// An address that nobody uses, on the cluster's own host.
    pub(super) fn unused_address(&self) -> SocketAddr {
        (self.cluster.gateway_admin(0).ip(), 9090).into()
    }

    /// Lets everything happen. Some of it goes on until this is dropped.
    pub(super) async fn get_busy(&mut self) {
        self.log_in_again_and_again();
        self.log_in_by_mini_program().await;
        self.type_a_code().await;
        self.watch_by_stream_and_poll().await;
        self.watch_what_is_somebody_elses().await;
        self.be_asked_from_elsewhere().await;
    }

    fn log_in_again_and_again(&mut self) {
        let gateways = (0..GATEWAYS).map(|n| self.cluster.gateway_address(n)).collect();
        let callbacks = ReadyPods::fixed(vec![self.cluster.callback_internal(0)]);
        let config = CrowdConfig {
            gateways: ReadyPods::fixed(gateways),
            site: SiteBackend::new(callbacks, API_KEY.to_owned()),
            account: self.cluster.account.clone(),
            origin: ORIGIN.to_owned(),
            restless: true,
        };
        let (simulator, account) = (self.cluster.simulator.clone(), self.cluster.account.clone());
        let phones = Phones::new(simulator, account, ReplyPhrases::default(), Duration::ZERO);
        let crowd = Arc::new(Crowd::gather(config, PAGES));
        self.people.spawn(async move { crowd.scan(&phones, SCANS_PER_SECOND).await });
    }

    /// A page that shows a code of this account.
    async fn page(&mut self, account: &str) -> PageFrame {
        let gateway = self.cluster.gateway_address(0).to_string();
        let mut page = LoginPage::connect(&gateway, ORIGIN).await.unwrap();
        page.open(account, None).await.unwrap();
        match page.next_message().await {
            PageMessage::Frame(frame) if frame.kind == "opened" => {
                self.pages.push(page);
                *frame
            }
            other => panic!("instead of opened: {other:?}"),
        }
    }

    async fn log_in_by_mini_program(&mut self) {
        let image = self.page("demo-mini").await.mini_program.image;
        let (_, picture) = image.split_once("base64,").unwrap();
        let url = read_code(&BASE64_STANDARD.decode(picture).unwrap()).unwrap();
        let simulator = &self.cluster.simulator;
        let scene = simulator.scan_code(&url).unwrap().scene();
        let js_code = simulator.wx_login(&WeChatUser::nth(1), &self.cluster.mini_program).unwrap();
        let scan = json!({ "account": "demo-mini", "js_code": js_code, "scene": scene });
        let url = format!("http://{}/v1/miniapp/scan", self.cluster.callback_public(0));
        assert_eq!(Client::new().post(url).json(&scan).send().await.unwrap().status(), 200);
    }

    async fn type_a_code(&mut self) {
        let code = self.page("refused").await.code;
        let (simulator, account) = (&self.cluster.simulator, &self.cluster.account);
        let person = WeChatUser::nth(2);
        simulator.send(&person, account, PhoneAction::Follow { event_key: None }).await.unwrap();
        simulator.say(&person, account, &code).await.unwrap();
    }

    async fn watch_by_stream_and_poll(&mut self) {
        let opened = self.page("demo").await;
        let scene = format!("http://{}/v1/scenes/{}", self.cluster.gateway_address(0), opened.scene);
        for path in ["?after=0&wait=0", "/events"] {
            let request = Client::new().get(format!("{scene}{path}")).header("origin", ORIGIN);
            let answer = request.bearer_auth(&opened.key).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
        }
    }

    async fn watch_what_is_somebody_elses(&mut self) {
        let url = format!("ws://{}/wx/websocket/1800000000", self.cluster.gateway_address(0));
        let mut page = CookieBrowser::default().connect_from(&url, ORIGIN).await.unwrap();
        page.send_text("this is ignored").await.unwrap();
        self.foreign = Some(page);
    }

    /// Somebody sends what isn't signed, to an account that checks where its messages come from.
    async fn be_asked_from_elsewhere(&self) {
        let url = format!("http://{}/wechat/refused", self.cluster.callback_public(0));
        Client::new().post(url).body("<xml/>").send().await.unwrap();
    }
}
