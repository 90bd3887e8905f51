//! A browser tab with the site's login page. After each login it opens the next scene, as another user would.
//!
//! ```text
//!            ┌───────────── reconnect, with the scene's key ─────────────┐
//!            ▼                                                           │
//! pick a gateway ──▶ connection ──▶ SceneOver    confirmed, declined, cancelled, expired: next scene
//!                                ├▶ RetryAfter   the gateway named a delay ──────────────┤
//!                                ├▶ Lost         back off, with jitter ──────────────────┤
//!                                ├▶ Silent       no heartbeat in time: at once ──────────┤
//!                                └▶ PageLeft     the page was away for a while ──────────┘
//! ```

use std::{
    net::{Ipv4Addr, SocketAddr},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use scenecast_browsers::login_page::{LoginPage, PageFrame, PageMessage};
use scenecast_scene::SceneId;
use scenecast_service::config::defaults;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};

use super::{shown_codes::ShownCode, site_backend::PageGrant, state::CrowdState};
use crate::ledger::PageMove;

/// The time limit for the first answer on a connection.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// If a gateway is silent for this long after the end of a scene or the time of a heartbeat, the page takes it for dead.
const GRACE: Duration = Duration::from_secs(3);
/// The longest first back-off after a lost connection. It doubles each time, as in the product's own JavaScript.
const BACKOFF: Duration = Duration::from_secs(5);
/// The same for a scanned scene, whose user is about to confirm.
const BACKOFF_SCANNED: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(15);

/// The problem of a page that got digits to send, because WeChat gives no QR code at the moment.
pub(crate) const WITHOUT_QR_CODE: &str = "without_qr_code";
/// Nobody here sends digits, so such a page asks for another code after this time.
pub(crate) const ASKS_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// The share of scenes whose page leaves for a while, like a phone's browser in the background or a sleeping laptop.
const LEAVING_SHARE: f64 = 0.25;
/// Such a page leaves at most this long after it opened the scene.
const LEAVES_WITHIN: Duration = Duration::from_secs(15);
/// Such a page stays away for this long, unless all pages are called back.
const AWAY: Range<Duration> = Duration::from_secs(2)..Duration::from_secs(6);

enum ConnectionEnd {
    /// Nothing more happens to the scene.
    SceneOver,
    /// The gateway asked to reconnect after this delay.
    RetryAfter(Duration),
    Lost,
    /// The gateway sent no heartbeat in time. The connection is dead, and nobody closed it.
    Silent,
    /// The page left for a while.
    PageLeft,
}

/// A scene that the page waits on.
pub(super) struct WaitingScene {
    scene: SceneId,
    key: String,
    seq: u64,
    ends: Instant,
    /// When the page leaves for a while, if it does.
    leaves: Option<Instant>,
}

impl WaitingScene {
    /// The scene of an `opened` frame.
    pub(super) fn new(scene: SceneId, opened: &PageFrame) -> Self {
        let ends = Instant::now() + Duration::from_secs(opened.expires_in);
        Self { scene, key: opened.key.clone(), seq: 0, ends, leaves: None }
    }

    fn is_scanned(&self) -> bool {
        self.seq > 0
    }

    /// Whether even a login of the last moment could no longer be redeemed.
    fn is_over(&self) -> bool {
        Instant::now() > self.ends + defaults::grant_life().duration()
    }
}

/// Runs one tab forever.
pub(super) async fn run(state: Arc<CrowdState>, address: Ipv4Addr) {
    let permit = state.opening.clone().acquire_owned().await.ok();
    let mut tab = LoginTab { opening_permit: permit, ..LoginTab::new(state, address) };
    loop {
        tab.log_in(None).await;
    }
}

pub(super) struct LoginTab {
    state: Arc<CrowdState>,
    address: Ipv4Addr,
    /// The browser's session at the site; the grant is bound to it.
    pub(super) session: String,
    /// Held until the first scene is open.
    opening_permit: Option<OwnedSemaphorePermit>,
}

impl LoginTab {
    /// A tab in a browser with this address.
    pub(super) fn new(state: Arc<CrowdState>, address: Ipv4Addr) -> Self {
        Self { state, address, session: format!("the session of {address}"), opening_permit: None }
    }

    /// Follows one scene to its end. Without a `waiting` scene it opens a new one.
    pub(super) async fn log_in(&mut self, mut waiting: Option<WaitingScene>) {
        let mut failures = 0;
        loop {
            let gateway = self.state.config.gateways.pick().await;
            let mut began = false;
            let end = self.connect(gateway, &mut waiting, &mut began).await;
            if began {
                failures = 0;
            }
            if waiting.as_ref().is_some_and(WaitingScene::is_over) {
                break;
            }
            match end {
                ConnectionEnd::SceneOver => break,
                ConnectionEnd::RetryAfter(delay) => tokio::time::sleep(delay).await,
                ConnectionEnd::Silent => {}
                ConnectionEnd::Lost => {
                    let is_scanned = waiting.as_ref().is_some_and(WaitingScene::is_scanned);
                    tokio::time::sleep(backoff(is_scanned, failures)).await;
                    failures += 1;
                }
                ConnectionEnd::PageLeft => {
                    tokio::select! {
                        () = tokio::time::sleep(rand::random_range(AWAY)) => {}
                        () = self.state.called_back.cancelled() => {}
                    }
                    if let Some(waiting) = &waiting {
                        self.state.ledger().page_returned(waiting.scene, now());
                    }
                    continue;
                }
            }
            if waiting.is_some() {
                self.state.ledger().reconnected(now());
            }
        }
        if let Some(waiting) = waiting {
            self.state.codes.remove(waiting.scene);
        }
    }

    /// Runs one connection from its first frame to its end. Sets `began` when the gateway has opened or resumed the
    /// scene.
    async fn connect(
        &mut self,
        gateway: SocketAddr,
        waiting: &mut Option<WaitingScene>,
        began: &mut bool,
    ) -> ConnectionEnd {
        let answer_by = Instant::now() + ANSWER_WITHIN;
        let config = &self.state.config;
        let url = format!("ws://{gateway}/v1/ws?heartbeat=1");
        let connecting = LoginPage::connect_to(&url, self.address.into(), &config.origin);
        let Ok(Ok(mut page)) = timeout_at(answer_by, connecting).await else { return ConnectionEnd::Lost };
        let sent = match &waiting {
            Some(waiting) => page.resume(&waiting.key, waiting.seq).await,
            None => page.open(config.account.as_str(), Some(&self.session)).await,
        };
        if sent.is_err() {
            return ConnectionEnd::Lost;
        }
        let mut heartbeat = None;
        loop {
            let silent = heartbeat.map(|period| Instant::now() + period + GRACE);
            let over = waiting.as_ref().filter(|_| *began).map_or(answer_by, |waiting| waiting.ends + GRACE);
            let until = silent.map_or(over, |silent| silent.min(over));
            let leaves = waiting.as_ref().and_then(|waiting| waiting.leaves).filter(|leaves| *leaves < until);
            match timeout_at(leaves.unwrap_or(until), page.next_message()).await {
                Err(_) if leaves.is_some() => {
                    if let Some(waiting) = waiting {
                        waiting.leaves = None;
                    }
                    return ConnectionEnd::PageLeft;
                }
                Ok(PageMessage::Frame(frame)) => {
                    *began |= matches!(frame.kind.as_str(), "opened" | "resumed");
                    if frame.heartbeat > 0 {
                        heartbeat = Some(Duration::from_secs(frame.heartbeat));
                    }
                    if let Some(end) = self.handle_frame(*frame, waiting) {
                        return end;
                    }
                }
                Ok(PageMessage::Closed(code, reason)) => {
                    let end = end_of_close(code, &reason);
                    if let (1012, ConnectionEnd::RetryAfter(delay)) = (code, &end) {
                        let scanned = waiting.as_ref().is_some_and(WaitingScene::is_scanned);
                        self.state.ledger().moved(PageMove { at: now(), from: gateway, delay: *delay, scanned });
                    }
                    return end;
                }
                Err(_) if heartbeat.is_some() => return ConnectionEnd::Silent,
                Ok(PageMessage::Broken) | Err(_) => return ConnectionEnd::Lost,
            }
        }
    }

    /// Applies a frame. Answers how the connection ended, if the frame ends it.
    fn handle_frame(&mut self, frame: PageFrame, waiting: &mut Option<WaitingScene>) -> Option<ConnectionEnd> {
        match frame.kind.as_str() {
            "opened" if frame.qr.url.is_empty() => {
                self.state.ledger().count_problem(WITHOUT_QR_CODE);
                return Some(ConnectionEnd::RetryAfter(ASKS_AGAIN_AFTER));
            }
            "opened" => {
                let scene = frame.scene.parse().ok()?;
                let leaves = (self.state.config.restless && rand::random_bool(LEAVING_SHARE))
                    .then(|| Instant::now() + LEAVES_WITHIN.mul_f64(rand::random()));
                self.opening_permit = None;
                *waiting = Some(WaitingScene { leaves, ..WaitingScene::new(scene, &frame) });
                self.state.codes.add(ShownCode { scene, url: frame.qr.url });
            }
            "resumed" => waiting.as_mut()?.ends = Instant::now() + Duration::from_secs(frame.expires_in),
            "scanned" => waiting.as_mut()?.seq = frame.seq,
            "confirmed" => {
                self.hand_over(waiting.as_ref()?.scene, frame.grant);
                return Some(ConnectionEnd::SceneOver);
            }
            "declined" | "cancelled" => return Some(ConnectionEnd::SceneOver),
            "expired" => {
                self.state.ledger().count_problem("expired");
                return Some(ConnectionEnd::SceneOver);
            }
            // A close follows. It says when to reconnect.
            "problem" => self.state.ledger().count_problem(&frame.code),
            _ => {}
        }
        None
    }

    /// Gives the grant to the site's backend, which redeems it even if the page goes away.
    fn hand_over(&self, scene: SceneId, grant: String) {
        self.state.ledger().page_told(scene, now());
        let state = self.state.clone();
        let grant = PageGrant { scene, grant, state: Some(self.session.clone()) };
        tokio::spawn(async move {
            let redemption = state.config.site.redeem(&grant).await;
            state.ledger().redeemed(scene, redemption);
        });
    }
}

/// A random delay up to the back-off after this many failures.
fn backoff(is_scanned: bool, failures: u32) -> Duration {
    let first = if is_scanned { BACKOFF_SCANNED } else { BACKOFF };
    let longest = MAX_BACKOFF.min(first * 2_u32.saturating_pow(failures));
    longest.mul_f32(rand::random())
}

/// The current time for the ledger, which doesn't use the runtime's clock.
pub(super) fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// What the close code and reason of a gateway mean.
fn end_of_close(code: u16, reason: &str) -> ConnectionEnd {
    let delay = reason.strip_prefix("retry_after_ms=").and_then(|delay| delay.parse().ok());
    match (code, delay) {
        (1000 | 1003 | 1008 | 1009, _) => ConnectionEnd::SceneOver,
        (1012 | 1013, Some(delay)) => ConnectionEnd::RetryAfter(Duration::from_millis(delay)),
        _ => ConnectionEnd::Lost,
    }
}
