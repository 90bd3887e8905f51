//! A page of the demo site's origin that has nothing but the module, before a real gateway.

use std::time::Duration;

use scenecast_browsers::chromium::{Browser, ScreenSize};
use scenecast_service::config::Seconds;
use scenecast_simulator::{PhoneScreen, WeChatUser};
use scenecast_standalone::Standalone;
use scenecast_testing::{FaultProxy, until};
use serde_json::Value;

use crate::standalone;

/// JavaScript that loads the module as `module`, and records faults of the page and events of the attempt.
const PREPARE: &str = r"
window.faults = [];
addEventListener('unhandledrejection', ({ reason }) => faults.push(`rejected: ${reason}`));
addEventListener('error', ({ message }) => faults.push(`error: ${message}`));
window.events = [];
window.start = (options) => {
  window.attempt = module.login({ gateway: 'GATEWAY', account: 'demo', state: 's', ...options });
  const types = 'opened offline trouble online scanned confirmed declined cancelled expired problem'.split(' ');
  for (const type of types) attempt.addEventListener(type, ({ detail }) => events.push({ type, detail }));
};
import('GATEWAY/v1/scenecast.js').then((module) => { window.module = module; done(); });
";

/// A page, and the proxy that its connections to the gateway go through.
pub(super) struct BarePage {
    pub(super) scenecast: Standalone,
    pub(super) proxy: FaultProxy,
    pub(super) browser: Browser,
}

impl BarePage {
    /// A page that has loaded the module.
    pub(super) async fn load() -> Self {
        let scenecast = standalone(Seconds::new(120)).await;
        let proxy = FaultProxy::start(vec![scenecast.gateway]).await;
        let host_rule = format!("MAP {} {}", scenecast.gateway, proxy.address());
        let browser = Browser::start_with(ScreenSize::Desktop, "en-US", &host_rule).await;
        let page = Self { scenecast, proxy, browser };
        page.browser.visit(page.scenecast.site.join("style.css").expect("an address").as_str()).await;
        page.prepare().await;
        page
    }

    /// Has to be called after each reload.
    pub(super) async fn prepare(&self) {
        let gateway = format!("http://{}", self.scenecast.gateway);
        self.browser.run_async(&PREPARE.replace("GATEWAY", &gateway)).await;
    }

    /// Begins a login, after this JavaScript.
    pub(super) async fn start(&self, before: &str, options: &str) {
        self.browser.run(&format!("{before}; start({options})")).await;
    }

    /// Waits for the next event of this type, and returns its detail.
    pub(super) async fn event(&self, kind: &str) -> Value {
        self.browser
            .run_async(&format!(
                "const look = () => {{
                   const at = events.findIndex(({{ type }}) => type === '{kind}');
                   if (at < 0) return setTimeout(look, 20);
                   done(events.splice(0, at + 1)[at].detail);
                 }};
                 look();"
            ))
            .await
    }

    /// Waits for the login's end. It may take as long as several waits of the browser.
    pub(super) async fn confirmed_within(&self, time: Duration) {
        let confirmed = until("the page is logged in", async || self.has("confirmed").await);
        tokio::time::timeout(time, confirmed).await.expect("the login comes in time");
        self.assert_no_faults().await;
    }

    pub(super) async fn has(&self, kind: &str) -> bool {
        self.browser.run(&format!("return events.some(({{ type }}) => type === '{kind}')")).await == true
    }

    pub(super) async fn assert_no_faults(&self) {
        assert_eq!(self.browser.run("return faults").await, serde_json::json!([]));
    }

    /// Somebody scans the code with this address, and is asked.
    pub(super) async fn scan(&self, url: &str) {
        self.scenecast.simulator.scan(&person(), url).await.expect("the code can be scanned");
    }

    /// They say yes. Returns what the phone shows then.
    pub(super) async fn confirm(&self) -> PhoneScreen {
        self.answer("1").await
    }

    /// They say no.
    pub(super) async fn decline(&self) {
        self.answer("0").await;
    }

    async fn answer(&self, text: &str) -> PhoneScreen {
        let account = "demo".parse().expect("a name");
        self.scenecast.simulator.say(&person(), &account, text).await.expect("they follow the account").shown
    }

    pub(super) fn metric(&self, series: &str) -> u64 {
        scenecast_testing::series_value(&self.scenecast.metrics.text(), series).unwrap_or(0)
    }
}

fn person() -> WeChatUser {
    WeChatUser::persona("ann").expect("one of the four")
}
