//! The trait that a target of a run implements.
//!
//! The generator keeps the plan, times everything, and pairs each trigger with what its page hears, within one process
//! and by one monotonic clock. A target only speaks its own protocol:
//!
//! ```text
//! open(seat) ──▶ (page, trigger)      the page waits; `hear` answers what comes
//! trigger(trigger, …)                 a phone logs in (for a peer: a message is published)
//! hear() ──▶ Heard::Login             the page has it: the generator notes the moment
//! redeem(scene, grant)                the site redeems the grant (a peer has none)
//! ```
//!
//! 19,000 pages live in one process. So a page keeps its socket and little else: no buffers of its own while it waits.
//!
//! See docs/decisions/090-a-login-is-paired-inside-one-worker.md.

use std::{future::Future, net::Ipv4Addr, time::Instant};

use scenecast_scene::{OpenId, SceneId};

use super::page_news::PageNews;
use crate::{
    ledger::{PhoneResult, Redemption},
    plan::WayIn,
    results::TargetInfo,
};

/// Which page opens, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// Its number in the whole plan. No two pages of a run share one.
    pub number: u64,
    /// The source address of its connections; `None` leaves it to the system. Pass it to [`connect`](super::connect).
    pub source: Option<Ipv4Addr>,
    /// How the page is reached. Peers have one way and ignore it.
    pub way: WayIn,
}

/// A page that waits, and what triggers it.
#[derive(Debug)]
pub struct OpenedPage<P, T> {
    pub page: P,
    /// Passed to [`LoginTarget::trigger`] once.
    pub trigger: T,
    /// The scene that it waits on. A peer takes [`Seat::scene`].
    pub scene: SceneId,
}

/// What a waiting page hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Somebody scanned. The number is the one that the phone has to pick; 0 if there is none.
    Scanned { number: u8 },
    /// The login (for a peer: the pushed message), with the grant to redeem, if there is one.
    Login { grant: Option<String> },
    /// The scene is over without a login; the code says why, such as `expired`.
    Over { code: String },
    /// The connection is lost, or the server asks to come back, which is no fault if `sent_away`.
    Disconnected { sent_away: bool },
}

/// Why a page could not open, or not come back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The connection was refused, broken, or not accepted in time. The text is a short code for counting, such as
    /// `connection refused`.
    #[error("{0}")]
    Connection(String),
    /// The server answered with something else than its protocol; such as an HTML page.
    #[error("not an answer of this kind of server: {0}")]
    Protocol(String),
    /// The server said why, by a code such as `crowded`.
    #[error("{0}")]
    Refused(String),
}

impl PageError {
    /// By what it is counted among the funnel's problems. There are few different ones.
    pub fn code(&self) -> &str {
        match self {
            Self::Connection(code) | Self::Protocol(code) | Self::Refused(code) => code,
        }
    }
}

/// How a trigger went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Triggered {
    /// Who logged in. A peer takes any one id.
    pub who: OpenId,
    /// When the message that decides the login was planned. It is later than the scan if a person thinks in between.
    pub planned: Instant,
    /// When that message was sent: just before the first byte.
    pub sent: Instant,
    /// What the phone was told before, each time that its person had to try again.
    pub told_before: Vec<PhoneResult>,
    /// What the phone was told in the end.
    pub told: PhoneResult,
    /// When the phone was told.
    pub answered: Instant,
}

/// A kind of server that pages and phones meet. Shared by all tasks of the generator.
pub trait LoginTarget: Send + Sync + 'static {
    type Page: TargetPage;
    /// What a phone needs for one login.
    type Trigger: Send + 'static;

    /// What the result file says of it.
    fn info(&self) -> TargetInfo;

    /// Opens a page. Returns when it could be triggered: its code is shown, or its subscription is confirmed. Gives up
    /// by itself after some seconds.
    fn open(&self, seat: Seat)
    -> impl Future<Output = Result<OpenedPage<Self::Page, Self::Trigger>, PageError>> + Send;

    /// Connects a page again, after it lost its connection or in place of the one that it has. It has to hear what it
    /// missed, if the target promises that. It is called again if it fails.
    fn reconnect(&self, page: &mut Self::Page, seat: Seat) -> impl Future<Output = Result<(), PageError>> + Send;

    /// Logs a page in: everything that its person does on the phone. It was planned for `planned`. `news` says what
    /// the page hears meanwhile, such as the number that the person has to pick. `None` if it couldn't even be tried,
    /// because the page was gone.
    fn trigger(
        &self,
        trigger: Self::Trigger,
        planned: Instant,
        news: &PageNews,
    ) -> impl Future<Output = Option<Triggered>> + Send;

    /// The grant of a page that heard this by [`Heard::Login`]; `None` if it can't be had. The default is for pages that
    /// hear the grant itself.
    fn grant(&self, _seat: Seat, heard: String) -> impl Future<Output = Option<String>> + Send {
        std::future::ready(Some(heard))
    }

    /// Redeems a grant as the site's backend, with retries, until it is final. The default is for targets without
    /// grants, whose logins count as redeemed by `who`.
    fn redeem(
        &self,
        _seat: Seat,
        _scene: SceneId,
        _grant: String,
        who: OpenId,
    ) -> impl Future<Output = Redemption> + Send {
        std::future::ready(Redemption::Of(who))
    }

    /// Redeems every grant that may still be good once more, as another login, and passes the answers to `note`. All of
    /// them should be refusals. The default is for targets without grants.
    fn redeem_again(&self, _note: impl Fn(SceneId, Redemption) + Send + Sync) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// A page that waits on a connection. Dropping it closes the connection.
pub trait TargetPage: Send + 'static {
    /// Waits for what comes next. Answers pings and heartbeats itself meanwhile. It is dropped and called again, so it
    /// may lose nothing by that (it is cancel-safe). It isn't called again after `Over` or `Disconnected`.
    fn hear(&mut self) -> impl Future<Output = Heard> + Send;

    /// Ends the connection after a login, as the protocol wants it. The default just drops it.
    fn close(self) -> impl Future<Output = ()> + Send
    where
        Self: Sized,
    {
        drop(self);
        std::future::ready(())
    }
}

impl Seat {
    /// The address of its browser, as an ingress tells it. Limits are per address, so each browser has its own. The
    /// addresses are of the network for benchmarks (RFC 2544), because addresses of private networks are not limited.
    pub fn browser(self) -> Ipv4Addr {
        let [.., high, middle, low] = self.number.to_be_bytes();
        Ipv4Addr::new(198, 18 + high % 2, middle, low)
    }

    /// A scene's id for targets that have no scenes: no other page of the run has it.
    pub fn scene(self) -> SceneId {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let text = URL_SAFE_NO_PAD.encode(u128::from(self.number).to_be_bytes());
        text.parse().expect("16 bytes in base64url are a scene's id")
    }
}
