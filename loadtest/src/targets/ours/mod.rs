//! Scenecast as a target.
//!
//! | module | what it is for |
//! |---|---|
//! | `setup` | where it is, and how people behave |
//! | `socket_page` | a page on a WebSocket |
//! | `http_page` | a page on server-sent events or long polls |
//! | `compatible` | pages of the compatible routes |
//! | `page_frame` | what a gateway's JSON says to a page |
//! | `frames`, `http_answer`, `read_buffer` | frames and answers from bytes; one buffer for each thread |
//! | `phone`, `mini_program` | people's phones, and the mini program on them |
//! | `delivery_pool` | kept connections to the callbacks |
//!
//! See docs/decisions/091-pages-of-the-generator-are-bare-sockets.md.

mod compatible;
mod delivery_pool;
pub(super) mod frames;
mod http_answer;
mod http_page;
#[cfg(test)]
mod http_page_tests;
mod mini_program;
pub(super) mod page_frame;
mod phone;
pub(super) mod read_buffer;
mod setup;
mod socket_page;

use std::{
    net::SocketAddr,
    sync::atomic::AtomicU64,
    time::{Duration, Instant},
};

use scenecast_scene::{AccountName, OpenId, SceneId};
use tokio::time::timeout;

use super::{
    page_news::PageNews,
    target::{Heard, LISTENS_ON, LoginTarget, OpenedPage, PageError, Seat, TargetPage, Triggered, logins_within},
};
use crate::{
    crowd::{ASKS_AGAIN_AFTER, PageGrant, ReadyPods, SiteBackend, WITHOUT_QR_CODE},
    ledger::Redemption,
    plan::{ThinkTime, WayIn},
    results::TargetInfo,
};
use compatible::BareCompatiblePage;
use http_page::HttpPage;
use mini_program::MiniProgramPhones;
use page_frame::ShownScene;
use phone::{PhoneInput, PhoneUsers};
pub use setup::{CodeMaker, CompatiblePlaces, ScenecastSetup};
use socket_page::{SocketPage, open_message};

/// How long an open may take, from the connection to the code.
const OPEN_WITHIN: Duration = Duration::from_secs(10);

/// Scenecast: gateways, callbacks, and a simulated WeChat.
#[derive(Debug)]
pub struct ScenecastTarget {
    info: TargetInfo,
    gateways: ReadyPods,
    site: SiteBackend,
    account: AccountName,
    origin: String,
    heartbeats: bool,
    codes: CodeMaker,
    people: PhoneUsers,
    mini_program: Option<MiniProgramPhones>,
    compatible: Option<CompatiblePlaces>,
}

/// A page of Scenecast.
#[derive(Debug)]
pub struct ScenecastPage(ConnectedPage);

/// How a page is connected. Most pages of a run have a WebSocket, whose page is the smaller one.
#[derive(Debug)]
enum ConnectedPage {
    Socket(SocketPage),
    Http(Box<HttpPage>),
    Compatible(Box<BareCompatiblePage>),
}

/// What a person does with a page's code.
#[derive(Debug)]
pub struct ShownLoginCode(PhoneInput);

impl ScenecastTarget {
    pub fn new(setup: ScenecastSetup) -> Self {
        let people = PhoneUsers {
            simulator: setup.simulator,
            account: setup.account.clone(),
            phrases: setup.phrases,
            steps: setup.steps,
            think_time: setup.think_time,
            timer: setup.timer,
            numbers: setup.people,
            next: AtomicU64::new(0),
            pool: delivery_pool::DeliveryPool::default(),
        };
        let mini_program = setup.compatible.as_ref().map(|places| MiniProgramPhones {
            account: places.mini_program.clone(),
            callbacks: places.callbacks.clone(),
        });
        Self {
            mini_program,
            info: setup.info,
            gateways: setup.gateways,
            site: setup.site,
            account: setup.account,
            origin: setup.origin,
            heartbeats: setup.heartbeats,
            codes: setup.codes,
            people,
            compatible: setup.compatible,
        }
    }

    /// The same, where people think for so long before they confirm.
    #[must_use]
    pub fn thinking(mut self, think_time: ThinkTime) -> Self {
        self.people.think_time = think_time;
        self
    }

    /// The gateway to which this page connects; an error if none is ready.
    pub fn address_of(&self, seat: Seat) -> Result<SocketAddr, PageError> {
        self.gateways.nth(seat.number).ok_or_else(|| PageError::Connection("no gateway is ready".to_owned()))
    }
}

impl ScenecastTarget {
    /// Opens a page's scene the way that its seat says.
    async fn connect(&self, seat: Seat) -> Result<OpenedPage<ScenecastPage, ShownLoginCode>, PageError> {
        let (gateway, session) = (self.address_of(seat)?, session_of(seat));
        let account = self.account.as_str();
        if seat.way.is_compatible() {
            return self.connect_compatible(seat, gateway).await;
        }
        if let WayIn::WebSocket = seat.way {
            let message = open_message(account, &session);
            let (page, shown) = SocketPage::open(gateway, &self.origin, seat, self.heartbeats, &message).await?;
            return self.opened(ConnectedPage::Socket(page), shown);
        }
        let polls = seat.way == WayIn::Poll;
        let (page, shown) = HttpPage::open(gateway, &self.origin, seat, (account, &session), polls).await?;
        self.opened(ConnectedPage::Http(Box::new(page)), shown)
    }

    /// A page of our own API that shows its QR code. If it got digits to send, since WeChat gives no QR code at the moment, it
    /// has to ask again: nobody sends them.
    fn opened(
        &self,
        page: ConnectedPage,
        shown: ShownScene,
    ) -> Result<OpenedPage<ScenecastPage, ShownLoginCode>, PageError> {
        if shown.url.is_empty() {
            return Err(PageError::Later { code: WITHOUT_QR_CODE.to_owned(), after: ASKS_AGAIN_AFTER });
        }
        let input = match self.codes {
            CodeMaker::ThisSimulator => PhoneInput::Scan(shown.url.into()),
            CodeMaker::AnotherSimulator => PhoneInput::ScanOfScene(shown.scene),
        };
        Ok(OpenedPage { page: ScenecastPage(page), trigger: ShownLoginCode(input), scene: shown.scene })
    }

    /// Such a page doesn't know its scene. For the ledger it has one of its own.
    async fn connect_compatible(
        &self,
        seat: Seat,
        gateway: SocketAddr,
    ) -> Result<OpenedPage<ScenecastPage, ShownLoginCode>, PageError> {
        let on_open = self.compatible.as_ref().and_then(|places| places.on_open.get(&gateway)).copied();
        let (page, input) = BareCompatiblePage::open(gateway, on_open, &self.origin, seat).await?;
        let page = ScenecastPage(ConnectedPage::Compatible(Box::new(page)));
        Ok(OpenedPage { page, trigger: ShownLoginCode(input), scene: seat.scene() })
    }

    /// The site's backend for logins by a page like this.
    fn site_of(&self, seat: Seat) -> &SiteBackend {
        match &self.compatible {
            Some(places) if seat.way == WayIn::ClientIdSocket => &places.mini_site,
            _ => &self.site,
        }
    }
}

impl LoginTarget for ScenecastTarget {
    type Page = ScenecastPage;
    type Trigger = ShownLoginCode;

    fn info(&self) -> TargetInfo {
        self.info.clone()
    }

    async fn open(&self, seat: Seat) -> Result<OpenedPage<ScenecastPage, ShownLoginCode>, PageError> {
        timeout(OPEN_WITHIN, self.connect(seat)).await.map_err(|_| late())?
    }

    async fn reconnect(&self, page: &mut ScenecastPage, seat: Seat) -> Result<(), PageError> {
        let gateway = self.address_of(seat)?;
        let resuming = async {
            match &mut page.0 {
                ConnectedPage::Socket(page) => page.resume(gateway, &self.origin, seat, self.heartbeats).await,
                ConnectedPage::Http(page) => page.resume(gateway, seat).await,
                ConnectedPage::Compatible(page) => page.resume(gateway).await,
            }
        };
        timeout(OPEN_WITHIN, resuming).await.map_err(|_| late())?
    }

    async fn trigger(&self, trigger: ShownLoginCode, planned: Instant, news: &PageNews) -> Option<Triggered> {
        match (&trigger.0, &self.mini_program) {
            (PhoneInput::MiniProgram(url), Some(phones)) => phones.log_in(&self.people, url, planned).await,
            (input, _) => self.people.log_in(input, planned, news).await,
        }
    }

    async fn redeem(&self, seat: Seat, scene: SceneId, grant: String, _who: OpenId) -> Redemption {
        let state = (!seat.way.is_compatible()).then(|| session_of(seat));
        self.site_of(seat).redeem(&PageGrant { scene, grant, state }).await
    }

    async fn grant(&self, seat: Seat, heard: String) -> Option<String> {
        match seat.way {
            WayIn::PathSocket => BareCompatiblePage::grant_of_path(&self.gateways, &self.origin, seat, &heard).await,
            _ => Some(heard),
        }
    }

    async fn redeem_again(&self, note: impl Fn(SceneId, Redemption) + Send + Sync) {
        self.site.redeem_again(&note).await;
        if let Some(places) = &self.compatible {
            places.mini_site.redeem_again(&note).await;
        }
    }
}

impl TargetPage for ScenecastPage {
    async fn hear(&mut self) -> Heard {
        match &mut self.0 {
            ConnectedPage::Socket(page) => page.hear().await,
            // Their futures are the larger ones, and most pages don't have them.
            ConnectedPage::Http(page) => Box::pin(page.hear()).await,
            ConnectedPage::Compatible(page) => Box::pin(page.hear()).await,
        }
    }

    async fn listen_on(&mut self) -> u32 {
        match &mut self.0 {
            ConnectedPage::Socket(page) => {
                page.acknowledge().await;
                logins_within(self, LISTENS_ON).await
            }
            ConnectedPage::Http(page) => page.listen_on(LISTENS_ON).await,
            ConnectedPage::Compatible(page) if page.asks_no_more() => 0,
            ConnectedPage::Compatible(_) => logins_within(self, LISTENS_ON).await,
        }
    }

    async fn close(self) {
        if let ConnectedPage::Compatible(page) = self.0 {
            Box::pin(page.close()).await;
        }
    }
}

/// The browser's session at the site, to which its grant is bound.
fn session_of(seat: Seat) -> String {
    format!("session-{}", seat.number)
}

fn late() -> PageError {
    PageError::Connection("no answer in time".to_owned())
}
