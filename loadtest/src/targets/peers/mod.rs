//! Servers that people use in Scenecast's place, as targets of the same runs. A page is a WebSocket that is subscribed to
//! a channel of its own, and a trigger is one HTTP request that publishes one message there.
//!
//! | module | what it is for |
//! |---|---|
//! | `nchan`, `ws`, `socket_io`, `centrifugo` | what each peer's protocol is like; no I/O |
//! | `protocol` | what differs between peers, as a trait |
//! | `page` | a page of a peer |
//! | `publisher` | publishes messages |

mod centrifugo;
mod nchan;
mod page;
mod protocol;
mod publisher;
mod socket_io;
mod ws;

use std::{net::SocketAddr, time::Instant};

use scenecast_scene::{OpenId, SceneId};

pub use page::PeerPage;

use super::{LoginTarget, OpenedPage, PageError, PageNews, Seat, Triggered};
use crate::{ledger::PhoneResult, results::TargetInfo};
use centrifugo::CentrifugoProtocol;
use nchan::NchanProtocol;
use protocol::PeerProtocol;
use publisher::{PublishError, Publisher};
use socket_io::SocketIoProtocol;
use ws::WsProtocol;

/// The protocol of a kind of peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerKind {
    Nchan,
    Ws,
    SocketIo,
    Centrifugo,
}

/// The servers of a peer.
pub struct PeerTarget {
    protocol: &'static dyn PeerProtocol,
    holder: SocketAddr,
    publisher: Publisher,
    payload: String,
    info: TargetInfo,
    /// Whether pages stay after their message.
    pages_stay: bool,
}

impl PeerKind {
    fn protocol(self) -> &'static dyn PeerProtocol {
        match self {
            Self::Nchan => &NchanProtocol,
            Self::Ws => &WsProtocol,
            Self::SocketIo => &SocketIoProtocol,
            Self::Centrifugo => &CentrifugoProtocol,
        }
    }
}

impl PeerTarget {
    /// Pages open at `holder`, and messages of this many bytes are published at `publisher`.
    pub fn new(
        kind: PeerKind,
        holder: SocketAddr,
        publisher: SocketAddr,
        payload_bytes: usize,
        info: TargetInfo,
    ) -> Self {
        let publisher = Publisher::new(publisher);
        Self { protocol: kind.protocol(), holder, publisher, payload: payload(payload_bytes), info, pages_stay: true }
    }
}

impl PeerTarget {
    /// The same, but pages leave after their message. By default they stay: then only what a message costs is measured, and
    /// the end of a page would cost the peer more.
    #[must_use]
    pub fn with_leaving_pages(self) -> Self {
        Self { pages_stay: false, ..self }
    }

    async fn page(&self, seat: Seat) -> Result<PeerPage, PageError> {
        PeerPage::open(self.protocol, self.holder, seat, self.pages_stay).await
    }
}

impl LoginTarget for PeerTarget {
    type Page = PeerPage;
    type Trigger = SceneId;

    fn info(&self) -> TargetInfo {
        self.info.clone()
    }

    async fn open(&self, seat: Seat) -> Result<OpenedPage<PeerPage, SceneId>, PageError> {
        let page = self.page(seat).await?;
        Ok(OpenedPage { page, trigger: seat.scene(), scene: seat.scene() })
    }

    /// A peer doesn't say what was missed: the page subscribes as if it were new.
    async fn reconnect(&self, page: &mut PeerPage, seat: Seat) -> Result<(), PageError> {
        *page = self.page(seat).await?;
        Ok(())
    }

    async fn trigger(&self, scene: SceneId, planned: Instant, _news: &PageNews) -> Option<Triggered> {
        let publication = self.protocol.publication(scene, &self.payload);
        let connection = self.publisher.connection().await.ok()?;
        let sent = Instant::now();
        let told = match self.publisher.publish(connection, publication).await {
            Ok(()) => PhoneResult::Accepted,
            Err(PublishError::Refused(_)) => PhoneResult::Refused,
            Err(PublishError::Unanswered(_)) => PhoneResult::Nothing,
        };
        let answered = Instant::now();
        Some(Triggered {
            who: anybody(),
            planned,
            due: planned,
            sent,
            told_before: vec![],
            told,
            answered,
            problem: None,
        })
    }
}

/// A peer doesn't know who logs in.
fn anybody() -> OpenId {
    "oAnybody".parse().expect("an openid")
}

/// A JSON object of this many bytes, or a little more: like a login, with a name and a grant.
fn payload(bytes: usize) -> String {
    let of = |grant: &str| format!("{{\"type\":\"login\",\"name\":\"Ann\",\"grant\":\"{grant}\"}}");
    let rest = bytes.saturating_sub(of("").len());
    of(&"g".repeat(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_the_size_that_was_asked_for() {
        assert_eq!(payload(200).len(), 200);
        assert!(serde_json::from_str::<serde_json::Value>(&payload(0)).is_ok());
    }
}
