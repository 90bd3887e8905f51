//! Scenecast as a target.
//!
//! | module | what it is for |
//! |---|---|
//! | `socket_page` | a page on a WebSocket |
//! | `http_page` | a page on server-sent events or long polls |
//! | `page_frame` | what a gateway's JSON says to a page |
//! | `frames`, `http_answer`, `read_buffer` | frames and answers from bytes; one buffer for each thread |
//! | `phone` | people's phones |
//! | `delivery_pool` | kept connections to the callbacks |
//!
//! See docs/decisions/091-pages-of-the-generator-are-bare-sockets.md.

mod delivery_pool;
pub(super) mod frames;
mod http_answer;
mod http_page;
pub(super) mod page_frame;
mod phone;
pub(super) mod read_buffer;
mod socket_page;

use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    sync::atomic::AtomicU64,
    time::{Duration, Instant},
};

use scenecast_scene::{AccountName, OpenId, SceneId};
use scenecast_simulator::Simulator;
use tokio::time::timeout;

use super::{
    page_news::PageNews,
    target::{Heard, LoginTarget, OpenedPage, PageError, Seat, TargetPage, Triggered},
    timer::PreciseTimer,
};
use crate::{
    crowd::{PageGrant, ReplyPhrases, SiteBackend},
    ledger::Redemption,
    plan::{PhoneSteps, ThinkTime, WayIn},
    results::TargetInfo,
};
use http_page::HttpPage;
use page_frame::ShownScene;
pub use phone::CodeMaker;
use phone::PhoneUsers;
use socket_page::{SocketPage, open_message};

/// How long an open may take, from the connection to the code.
const OPEN_WITHIN: Duration = Duration::from_secs(10);

/// Where a Scenecast is, and how people behave at it.
#[derive(Debug)]
pub struct ScenecastSetup {
    /// What the result file says of it.
    pub info: TargetInfo,
    /// The gateways' public listeners. Pages go to them in turn.
    pub gateways: Vec<SocketAddr>,
    pub site: SiteBackend,
    /// WeChat, as the callbacks know it.
    pub simulator: Simulator,
    pub account: AccountName,
    /// The origin of the pages.
    pub origin: String,
    pub phrases: ReplyPhrases,
    pub steps: PhoneSteps,
    pub think_time: ThinkTime,
    /// The numbers of the people who log in, each in turn. Callbacks ask WeChat once for each.
    pub people: RangeInclusive<u64>,
    pub codes: CodeMaker,
    pub timer: PreciseTimer,
}

/// Scenecast: gateways, callbacks, and a simulated WeChat.
#[derive(Debug)]
pub struct ScenecastTarget {
    info: TargetInfo,
    gateways: Vec<SocketAddr>,
    site: SiteBackend,
    account: AccountName,
    origin: String,
    people: PhoneUsers,
}

/// A page of Scenecast.
#[derive(Debug)]
pub struct ScenecastPage(ConnectedPage);

/// How a page is connected. Most pages of a run have a WebSocket, whose page is the smaller one.
#[derive(Debug)]
enum ConnectedPage {
    Socket(SocketPage),
    Http(Box<HttpPage>),
}

/// What a page's code says.
#[derive(Debug)]
pub struct ShownLoginCode {
    scene: SceneId,
    url: Box<str>,
}

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
            codes: setup.codes,
            next: AtomicU64::new(0),
            pool: delivery_pool::DeliveryPool::default(),
        };
        Self {
            info: setup.info,
            gateways: setup.gateways,
            site: setup.site.forgetting(),
            account: setup.account,
            origin: setup.origin,
            people,
        }
    }

    /// The gateway to which this page connects.
    pub fn address_of(&self, seat: Seat) -> SocketAddr {
        let gateways = u64::try_from(self.gateways.len()).expect("a count");
        self.gateways[usize::try_from(seat.number % gateways).expect("less than a count")]
    }
}

impl ScenecastTarget {
    /// Opens a page's scene the way that its seat says.
    async fn connect(&self, seat: Seat) -> Result<(ConnectedPage, ShownScene), PageError> {
        let (gateway, session) = (self.address_of(seat), session_of(seat));
        let account = self.account.as_str();
        if let WayIn::WebSocket = seat.way {
            let message = open_message(account, &session);
            let (page, shown) = SocketPage::open(gateway, &self.origin, seat, &message).await?;
            return Ok((ConnectedPage::Socket(page), shown));
        }
        let polls = seat.way == WayIn::Poll;
        let (page, shown) = HttpPage::open(gateway, &self.origin, seat, (account, &session), polls).await?;
        Ok((ConnectedPage::Http(Box::new(page)), shown))
    }
}

impl LoginTarget for ScenecastTarget {
    type Page = ScenecastPage;
    type Trigger = ShownLoginCode;

    fn info(&self) -> TargetInfo {
        self.info.clone()
    }

    async fn open(&self, seat: Seat) -> Result<OpenedPage<ScenecastPage, ShownLoginCode>, PageError> {
        let (page, shown) = timeout(OPEN_WITHIN, self.connect(seat)).await.map_err(|_| late())??;
        let trigger = ShownLoginCode { scene: shown.scene, url: shown.url.into() };
        Ok(OpenedPage { page: ScenecastPage(page), scene: trigger.scene, trigger })
    }

    async fn reconnect(&self, page: &mut ScenecastPage, seat: Seat) -> Result<(), PageError> {
        let gateway = self.address_of(seat);
        let resuming = async {
            match &mut page.0 {
                ConnectedPage::Socket(page) => page.resume(gateway, &self.origin, seat).await,
                ConnectedPage::Http(page) => page.resume(gateway, seat).await,
            }
        };
        timeout(OPEN_WITHIN, resuming).await.map_err(|_| late())?
    }

    async fn trigger(&self, trigger: ShownLoginCode, planned: Instant, news: &PageNews) -> Option<Triggered> {
        self.people.log_in(&trigger.url, trigger.scene, planned, news).await
    }

    async fn redeem(&self, seat: Seat, scene: SceneId, grant: String, _who: OpenId) -> Redemption {
        self.site.redeem(&PageGrant { scene, grant, state: Some(session_of(seat)) }).await
    }
}

impl TargetPage for ScenecastPage {
    async fn hear(&mut self) -> Heard {
        match &mut self.0 {
            ConnectedPage::Socket(page) => page.hear().await,
            ConnectedPage::Http(page) => page.hear().await,
        }
    }

    async fn close(self) {
        if let ConnectedPage::Socket(page) = self.0 {
            page.close().await;
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
