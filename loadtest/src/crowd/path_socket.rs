//! Pages of the compatible route with a path socket. They don't reconnect: a page is lost if its gateway exits before
//! its scene ends.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use reqwest::StatusCode;
use scenecast_browsers::cookie_browser::{CookieBrowser, PageSocket, SocketMessage};
use serde::Deserialize;
use tokio::{task::JoinSet, time::timeout};

use super::{login_tab::now, phones::Phones, shown_codes::ShownCode, site_backend::PageGrant, state::CrowdState};

/// The pause before a page loads its picture, or asks for its result, again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The time limit until a page shows a code.
const CODE_WITHIN: Duration = Duration::from_secs(30);
/// The time limit until a logged-in page gets its grant.
const RESULT_WITHIN: Duration = Duration::from_secs(30);

/// Open pages at one gateway.
#[derive(Debug)]
pub struct PathSocketPages {
    state: Arc<CrowdState>,
    codes: Vec<ShownCode>,
    pages: JoinSet<bool>,
}

impl PathSocketPages {
    pub(super) async fn open(state: &Arc<CrowdState>, gateway: SocketAddr, count: u32, phones: &Phones) -> Self {
        let mut codes = vec![];
        let mut pages = JoinSet::new();
        for nth in 0..count {
            let page = PathSocketPage::open(nth, gateway).await;
            let code = timeout(CODE_WITHIN, page.code(gateway, phones)).await;
            let code = code.expect("a page of a compatible route shows a code in time");
            pages.spawn(page.log_in(state.clone(), code.clone()));
            codes.push(code);
        }
        Self { state: state.clone(), codes, pages }
    }

    /// Lets somebody scan each page's code.
    pub fn scan_all(&mut self, phones: &Phones) {
        for code in self.codes.drain(..) {
            phones.scan_one(&self.state, code);
        }
    }

    /// Waits until no page waits any more. Answers how many stayed connected until they had logged in.
    pub async fn logged_in(self) -> usize {
        self.pages.join_all().await.into_iter().filter(|logged_in| *logged_in).count()
    }
}

struct PathSocketPage {
    browser: CookieBrowser,
    id: String,
    socket: PageSocket,
}

impl PathSocketPage {
    async fn open(nth: u32, gateway: SocketAddr) -> Self {
        let browser = CookieBrowser::default();
        let id = format!("17{nth:08}");
        let socket = browser.connect(&format!("ws://{gateway}/wx/websocket/{id}")).await;
        let socket = socket.expect("a gateway that is ready accepts connections");
        Self { browser, id, socket }
    }

    /// Loads the page's picture until it shows a code.
    async fn code(&self, gateway: SocketAddr, phones: &Phones) -> ShownCode {
        loop {
            let picture = self.browser.get(&format!("http://{gateway}/wx/qrcode/{}", self.id)).await.text().await;
            match phones.read(&picture.unwrap_or_default()) {
                Some(code) => return code,
                None => tokio::time::sleep(RETRY_AFTER).await,
            }
        }
    }

    /// Waits for the login and redeems the grant. Answers whether the page was connected until the scene was over.
    async fn log_in(mut self, state: Arc<CrowdState>, code: ShownCode) -> bool {
        let scene = code.scene;
        // The text is the user's name. The page learns nothing else on this socket.
        let SocketMessage::Text(_) = self.socket.next_message().await else { return false };
        state.ledger().page_told(scene, now());
        let is_over = self.socket.next_message().await == SocketMessage::Closed(1000);
        if let Ok(grant) = timeout(RESULT_WITHIN, self.result(&state)).await {
            let redemption = state.config.site.redeem(&PageGrant { scene, grant, state: None }).await;
            state.ledger().redeemed(scene, redemption);
        }
        is_over
    }

    /// Asks the gateways for the grant until one has it. The browser's cookie identifies the page at every gateway.
    async fn result(&self, state: &CrowdState) -> String {
        loop {
            match self.ask_for_result(state).await {
                Some(grant) => return grant,
                None => tokio::time::sleep(RETRY_AFTER).await,
            }
        }
    }

    async fn ask_for_result(&self, state: &CrowdState) -> Option<String> {
        #[derive(Deserialize)]
        struct PathSocketResult {
            #[serde(rename = "phoneIme")]
            grant: String,
        }
        let gateway = state.config.gateways.pick().await;
        let answer = self.browser.get(&format!("http://{gateway}/wx/result/{}", self.id)).await;
        if answer.status() != StatusCode::OK {
            return None;
        }
        Some(answer.json::<PathSocketResult>().await.ok()?.grant)
    }
}
