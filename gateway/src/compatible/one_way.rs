//! The socket of a page that never comes back: it is kept for as long as its scene lives, and nothing
//! that comes in on it means anything.

use std::{future::Future, pin::pin, time::Instant};

use axum::{
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use scenecast_shared::{
    scene::{ChosenId, Login},
    serve::Problem,
};

use super::{
    flow::{Flow, cookies_of, visitor},
    following::{Following, News},
};
use crate::{
    hold::Leave,
    pages::{Counted, Transport},
    session::End,
    ws::{Incoming, Liveness, Silence, Socket, Upgrade},
};

/// Accepts the socket of a page that chose this id, and tells it of its login in these words.
pub(super) async fn accept(
    flow: Flow,
    mut request: Request,
    id: ChosenId,
    words: fn(&Login) -> String,
) -> Result<Response, Problem> {
    let (upgrade, mut headers) = Upgrade::of(&mut request, None)?;
    let cookies = cookies_of(&request);
    let claims = match flow.alive(flow.watched(&cookies, id.as_str())).await {
        Some(claims) => claims,
        None => {
            let (claims, kept) = flow.begin(&cookies, id.as_str());
            headers.extend(kept);
            claims
        }
    };
    let scene = Box::new(Following::new(&flow, claims, visitor(&request, Some(id))));
    let shutdown = flow.pages().shutdown().clone();
    shutdown.spawn(serve(flow, upgrade, scene, words));
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

async fn serve(flow: Flow, upgrade: Upgrade, mut scene: Box<Following>, words: fn(&Login) -> String) {
    let Some(mut one_way) = Box::pin(OneWay::accept(flow, upgrade)).await else { return };
    let ended = one_way.tell(&mut scene, words).await;
    // The scene is let go of before the socket lingers.
    drop(scene);
    one_way.end(ended).await;
}

/// An accepted socket.
pub(super) struct OneWay {
    flow: Flow,
    socket: Socket,
    liveness: Liveness,
    counted: Counted,
}

impl OneWay {
    /// The socket of this request; none if it is gone, or there is no room for it.
    pub(super) async fn accept(flow: Flow, upgrade: Upgrade) -> Option<Self> {
        let refused = upgrade.refused();
        let (socket, early) = upgrade.socket().await?;
        if let Some(problem) = refused {
            Leave::from(problem).close(socket).await;
            return None;
        }
        let counted = flow.pages().count(Transport::WebSocket);
        let mut one_way = Self { flow, socket, liveness: Liveness::new(Instant::now()), counted };
        match one_way.take(early) {
            Ok(()) => Some(one_way),
            Err(leave) => {
                one_way.end(Err(leave)).await;
                None
            }
        }
    }

    /// Waits for `work`, for as long as the page is there.
    pub(super) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Leave> {
        let mut work = pin!(work);
        loop {
            let received = tokio::select! {
                done = &mut work => return Ok(done),
                received = self.socket.receive() => Some(received),
                () = tokio::time::sleep_until(self.liveness.deadline().into()) => None,
            };
            match received {
                Some(incoming) => self.take(incoming?)?,
                None => match self.liveness.due(Instant::now()) {
                    Silence::Fine => {}
                    Silence::Ask => self.socket.ping()?,
                    Silence::Gone => return Err(Leave::Gone),
                },
            }
        }
    }

    /// Tells the page of its login, in these words; done when its scene is over.
    pub(super) async fn tell(&mut self, scene: &mut Following, words: fn(&Login) -> String) -> Result<(), Leave> {
        loop {
            match self.meanwhile(scene.next()).await? {
                News::Scanned => {}
                News::LoggedIn(login) => return Ok(scene.hand_over(&login, |login| self.socket.send(&words(login)))?),
                News::Over => return Ok(()),
                News::Leaving => return Err(Leave::Told(End::Restart)),
            }
        }
    }

    /// Sends a text.
    pub(super) fn say(&mut self, text: &str) -> Result<(), Leave> {
        Ok(self.socket.send(text)?)
    }

    /// Closes, without a word: a page of these routes would take any text for something else.
    pub(super) async fn end(self, ended: Result<(), Leave>) {
        let Self { socket, mut counted, .. } = self;
        let leave = ended.err().unwrap_or(Leave::Told(End::Over));
        counted.ends(leave.word());
        drop(counted);
        Box::pin(leave.close(socket)).await;
    }

    fn take(&mut self, incoming: Vec<Incoming>) -> Result<(), Leave> {
        self.liveness.heard(Instant::now());
        let mut pinged = None;
        for incoming in incoming {
            match incoming {
                Incoming::Text(_) => self.flow.count_ignored(),
                Incoming::Ping(payload) => pinged = Some(payload),
                Incoming::Pong => {}
                Incoming::Close => return Err(Leave::Closed),
                Incoming::Violation(violation) => return Err(Leave::Violated(violation)),
            }
        }
        // The last of several is enough (RFC 6455 section 5.5.3), and costs one write.
        pinged.map_or(Ok(()), |payload| Ok(self.socket.pong(&payload)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, D, F: Future>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_page_costs_one_small_task() {
        let size = size_of_future(serve);
        assert!(size <= 1536, "{size} bytes a page");
    }
}
