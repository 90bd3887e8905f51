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

use std::{
    future::Future,
    io,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use rustix::io::Errno;
use scenecast_scene::{OpenId, SceneId};
use tokio::time::timeout;

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

/// For how long a page listens on after its login, if the server doesn't end the connection. A second login would come at
/// once, since the server's reasons for it (an event that is delivered twice, a mailbox that is read again) follow the first.
///
/// See docs/decisions/111-a-load-looks-for-doubled-logins-and-says-how-hard.md.
pub(super) const LISTENS_ON: Duration = Duration::from_secs(1);

/// What a waiting page hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Somebody scanned. The number is the one that the phone has to pick; 0 if there is none.
    Scanned { number: u8 },
    /// The login (for a peer: the pushed message), with the grant to redeem, if there is one.
    Login { grant: Option<String> },
    /// The scene is over without a login; the code says why, such as `expired`.
    Over { code: String },
    /// The server asks to come back to the scene on another connection, not before this time. That is a problem if it has no
    /// room, or nothing to answer with; the code says so.
    SentAway { after: Duration, problem: Option<String> },
    /// The connection is lost.
    Disconnected,
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
    /// The same, and when to try again.
    #[error("{code}")]
    Later { code: String, after: Duration },
    /// The generator has run out of something itself, so this says nothing of the server. The text is one of [`EXHAUSTED`].
    #[error("{0}")]
    Exhausted(&'static str),
}

/// What a generator may run out of, as it is counted among the problems.
pub const EXHAUSTED: [&str; 3] = [
    "the generator has no descriptors left",
    "the generator has no source ports left",
    "the generator has no memory left for sockets",
];

impl PageError {
    /// By what it is counted among the funnel's problems. There are few different ones.
    pub fn code(&self) -> &str {
        match self {
            Self::Connection(code) | Self::Protocol(code) | Self::Refused(code) | Self::Later { code, .. } => code,
            Self::Exhausted(code) => code,
        }
    }

    /// A connection that failed, by a code that is the same for all that failed alike.
    pub fn of_connection(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => Self::Exhausted(EXHAUSTED[0]),
            Some(Errno::ADDRNOTAVAIL) => Self::Exhausted(EXHAUSTED[1]),
            Some(Errno::NOBUFS | Errno::NOMEM) => Self::Exhausted(EXHAUSTED[2]),
            _ => Self::Connection(error.kind().to_string()),
        }
    }
}

/// Listens for this long, or until nothing more can come. Answers how many logins were heard.
pub(super) async fn logins_within<P: TargetPage + ?Sized>(page: &mut P, time: Duration) -> u32 {
    let mut logins = 0;
    let listening = async {
        loop {
            match page.hear().await {
                Heard::Login { .. } => logins += 1,
                Heard::Scanned { .. } => {}
                Heard::Over { .. } | Heard::SentAway { .. } | Heard::Disconnected => return,
            }
        }
    };
    // A server that doesn't end the connection is heard for the whole time.
    let _ = timeout(time, listening).await;
    logins
}

/// How a trigger went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Triggered {
    /// Who logged in. A peer takes any one id.
    pub who: OpenId,
    /// When the message that decides the login was planned. It is later than the scan if a person thinks in between.
    pub planned: Instant,
    /// When that message could be sent at the earliest: as planned, or when the phone had its question and the page its
    /// number, if that was later. What comes after it is the generator's own lateness.
    pub due: Instant,
    /// When that message was sent: just before the first byte.
    pub sent: Instant,
    /// What the phone was told before, each time that its person had to try again.
    pub told_before: Vec<PhoneResult>,
    /// What the phone was told in the end.
    pub told: PhoneResult,
    /// When the phone was told.
    pub answered: Instant,
    /// What went wrong on the way, for counting; `None` if nothing did.
    pub problem: Option<PageError>,
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
    /// because nobody knows the page's code any more.
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
    /// may lose nothing by that (it is cancel-safe). It isn't called again after `Over`, `SentAway` or `Disconnected`.
    fn hear(&mut self) -> impl Future<Output = Heard> + Send;

    /// Acknowledges a login, as the protocol wants it, and listens until the server has ended the connection, or for
    /// a second. Answers how many more logins the page heard: each is one too many.
    fn listen_on(&mut self) -> impl Future<Output = u32> + Send {
        logins_within(self, LISTENS_ON)
    }

    /// Ends the connection after a login. The default just drops it.
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
