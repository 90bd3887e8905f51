//! One browser before the site's login page. It logs in, and somebody else sits down before it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use scenecast_shared::{config::defaults, scene::SceneId};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};

use super::{Here, board::Shown, site::Handed};
use crate::{
    browser::{Frame, Heard, Page},
    ledger::Move,
};

/// How long the first answer on a connection may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A gateway that is silent so long after a scene's end is gone.
const GRACE: Duration = Duration::from_secs(3);
/// After how long a lost connection is tried again, at the most, as our own page's module does it: sooner where
/// somebody is about to confirm, …
const BACKOFF: Duration = Duration::from_secs(5);
const BACKOFF_SCANNED: Duration = Duration::from_secs(1);
/// … and doubled each time, up to this.
const BACKOFF_LONGEST: Duration = Duration::from_secs(15);

/// Which share of the scenes is left alone for a while: a phone's browser goes to the background, a laptop sleeps.
const RESTLESS: f64 = 0.25;
/// How soon after a scene was opened that is, at the most, …
const LEAVES_WITHIN: Duration = Duration::from_secs(15);
/// … and for how long, unless all are called back.
const AWAY: Range<Duration> = Duration::from_secs(2)..Duration::from_secs(6);

/// How a connection ended.
enum Ending {
    /// Nothing more happens to the scene.
    Over,
    /// Come back after this.
    Later(Duration),
    /// Without a word.
    Lost,
    /// The page itself left, and comes back in a while.
    Left,
}

/// A scene that the page waits on.
pub(super) struct Waiting {
    scene: SceneId,
    key: String,
    seq: u64,
    ends: Instant,
    /// When the page goes away for a while, if it does.
    leaves: Option<Instant>,
}

impl Waiting {
    /// On what has just been opened.
    pub(super) fn on(scene: SceneId, opened: &Frame) -> Self {
        let ends = Instant::now() + Duration::from_secs(opened.expires_in);
        Self { scene, key: opened.key.clone(), seq: 0, ends, leaves: None }
    }

    fn is_scanned(&self) -> bool {
        self.seq > 0
    }
}

/// One browser, for ever.
pub(super) async fn visit(here: Arc<Here>, address: Ipv4Addr) {
    let turn = here.opening.clone().acquire_owned().await.ok();
    let mut tab = Tab { turn, ..Tab::at(here, address) };
    loop {
        tab.log_in(None).await;
    }
}

/// A browser's tab with the site's login page.
pub(super) struct Tab {
    here: Arc<Here>,
    address: Ipv4Addr,
    /// What the site knows this browser by.
    pub(super) state: String,
    /// Until the first scene is open.
    turn: Option<OwnedSemaphorePermit>,
}

impl Tab {
    /// A browser at this address, with a session at the site.
    pub(super) fn at(here: Arc<Here>, address: Ipv4Addr) -> Self {
        Self { here, address, state: format!("the session of {address}"), turn: None }
    }

    /// One scene, to whatever end: a new one, or what is left of this one.
    pub(super) async fn log_in(&mut self, mut waiting: Option<Waiting>) {
        let mut failures = 0;
        loop {
            let gateway = self.here.venue.gateways.pick().await;
            let mut began = false;
            let ending = self.connect(gateway, &mut waiting, &mut began).await;
            if began {
                failures = 0;
            }
            let is_over = waiting
                .as_ref()
                .is_some_and(|waiting| Instant::now() > waiting.ends + defaults::grant_life().duration());
            match ending {
                _ if is_over => break,
                Ending::Over => break,
                Ending::Later(delay) => tokio::time::sleep(delay).await,
                Ending::Lost => {
                    let is_scanned = waiting.as_ref().is_some_and(Waiting::is_scanned);
                    let first = if is_scanned { BACKOFF_SCANNED } else { BACKOFF };
                    let longest = BACKOFF_LONGEST.min(first * 2_u32.saturating_pow(failures));
                    failures += 1;
                    tokio::time::sleep(longest.mul_f32(rand::random())).await;
                }
                Ending::Left => {
                    tokio::select! {
                        () = tokio::time::sleep(rand::random_range(AWAY)) => {}
                        () = self.here.called_back.cancelled() => {}
                    }
                    if let Some(waiting) = &waiting {
                        self.here.ledger().returns(waiting.scene, now());
                    }
                    continue;
                }
            }
            if waiting.is_some() {
                self.here.ledger().reconnects(now());
            }
        }
        if let Some(waiting) = waiting {
            self.here.board.remove(waiting.scene);
        }
    }

    /// One connection, from its first frame to its end.
    async fn connect(&mut self, gateway: SocketAddr, waiting: &mut Option<Waiting>, began: &mut bool) -> Ending {
        let answer_by = Instant::now() + ANSWER_WITHIN;
        let venue = &self.here.venue;
        let address = gateway.to_string();
        let connecting = Page::connect_for(self.address.into(), &address, &venue.origin);
        let Ok(Ok(mut page)) = timeout_at(answer_by, connecting).await else { return Ending::Lost };
        let asked = match &waiting {
            Some(waiting) => page.resume(&waiting.key, waiting.seq).await,
            None => page.open(venue.account.as_str(), Some(&self.state)).await,
        };
        if asked.is_err() {
            return Ending::Lost;
        }
        loop {
            let until = waiting.as_ref().filter(|_| *began).map_or(answer_by, |waiting| waiting.ends + GRACE);
            let leaves = waiting.as_ref().and_then(|waiting| waiting.leaves).filter(|leaves| *leaves < until);
            match timeout_at(leaves.unwrap_or(until), page.hear()).await {
                Err(_) if leaves.is_some() => {
                    if let Some(waiting) = waiting {
                        waiting.leaves = None;
                    }
                    return Ending::Left;
                }
                Ok(Heard::Frame(frame)) => {
                    *began |= matches!(frame.kind.as_str(), "opened" | "resumed");
                    if let Some(ending) = self.hear(*frame, waiting) {
                        return ending;
                    }
                }
                Ok(Heard::Closed(code, reason)) => {
                    let ending = ending(code, &reason);
                    if let (1012, Ending::Later(delay)) = (code, &ending) {
                        let scanned = waiting.as_ref().is_some_and(Waiting::is_scanned);
                        self.here.ledger().moves(Move { at: now(), from: gateway, delay: *delay, scanned });
                    }
                    return ending;
                }
                Ok(Heard::Broken) | Err(_) => return Ending::Lost,
            }
        }
    }

    /// The scene's end, if this is it.
    fn hear(&mut self, frame: Frame, waiting: &mut Option<Waiting>) -> Option<Ending> {
        match frame.kind.as_str() {
            "opened" => {
                let scene = frame.scene.parse().ok()?;
                let leaves = (self.here.venue.restless && rand::random_bool(RESTLESS))
                    .then(|| Instant::now() + LEAVES_WITHIN.mul_f64(rand::random()));
                self.turn = None;
                *waiting = Some(Waiting { leaves, ..Waiting::on(scene, &frame) });
                self.here.board.show(Shown { scene, url: frame.qr.url });
            }
            "resumed" => waiting.as_mut()?.ends = Instant::now() + Duration::from_secs(frame.expires_in),
            "scanned" => waiting.as_mut()?.seq = frame.seq,
            "confirmed" => {
                self.hand_over(waiting.as_ref()?.scene, frame.grant);
                return Some(Ending::Over);
            }
            "declined" | "cancelled" => return Some(Ending::Over),
            "expired" => {
                self.here.ledger().has_problem("expired");
                return Some(Ending::Over);
            }
            // A close follows, and says when to come back.
            "problem" => self.here.ledger().has_problem(&frame.code),
            _ => {}
        }
        None
    }

    /// The site's backend gets the grant, whatever becomes of the page.
    fn hand_over(&self, scene: SceneId, grant: String) {
        self.here.ledger().heard(scene, now());
        let (here, handed) = (self.here.clone(), Handed { scene, grant, state: Some(self.state.clone()) });
        tokio::spawn(async move {
            let redemption = here.venue.site.redeem(&handed).await;
            here.ledger().redeemed(scene, redemption);
        });
    }
}

/// For the ledger, which knows nothing of the runtime's clock.
pub(super) fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// What a close says.
fn ending(code: u16, reason: &str) -> Ending {
    let delay = reason.strip_prefix("retry_after_ms=").and_then(|delay| delay.parse().ok());
    match (code, delay) {
        (1000 | 1003 | 1008 | 1009, _) => Ending::Over,
        (1012 | 1013, Some(delay)) => Ending::Later(Duration::from_millis(delay)),
        _ => Ending::Lost,
    }
}
