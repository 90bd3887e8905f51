//! The socket of a page that never comes back: it is kept for as long as its scene lives, and nothing
//! that comes in on it means anything.

use std::{
    future::Future,
    pin::pin,
    time::{Duration, Instant},
};

use axum::{
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use scenecast_shared::{
    scene::{ChosenId, Login},
    serve::{Problem, crowded},
};

use super::{
    flow::{Flow, cookies_of, visitor},
    following::{Following, Told},
};
use crate::{
    hold::End,
    ws::{Broken, Incoming, Liveness, Silence, Socket, Upgrade, close},
};

/// Accepts the socket of a page that chose this id, and tells it of its login in these words.
pub(super) async fn accept(
    flow: Flow,
    mut request: Request,
    id: ChosenId,
    words: fn(&Login) -> String,
) -> Result<Response, Problem> {
    let (upgrade, mut headers) = Upgrade::of(&mut request, None)?;
    let (claims, kept) = flow.own_or_new(&cookies_of(&request), id.as_str()).await;
    headers.extend(kept);
    let scene = Box::new(Following::new(&flow, claims, visitor(&request, Some(id))));
    let shutdown = flow.pages().shutdown().clone();
    shutdown.spawn(serve(flow, upgrade, scene, words));
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

async fn serve(flow: Flow, upgrade: Upgrade, mut scene: Box<Following>, words: fn(&Login) -> String) {
    let Some(mut line) = Box::pin(Line::accept(flow, upgrade)).await else { return };
    let ended = line.tell(&mut scene, words).await;
    // The scene is let go of before the socket lingers.
    drop(scene);
    line.end(ended).await;
}

/// An accepted socket.
pub(super) struct Line {
    flow: Flow,
    socket: Socket,
    liveness: Liveness,
    /// When it has to go, once its pod leaves.
    leave_at: Option<Instant>,
}

enum Turn {
    Received(Result<Vec<Incoming>, Broken>),
    Leaving,
    Due,
}

impl Line {
    /// The socket of this request; none if it is gone, or there is no room for it.
    pub(super) async fn accept(flow: Flow, upgrade: Upgrade) -> Option<Self> {
        let is_crowded = upgrade.is_crowded();
        let (socket, early) = upgrade.socket().await?;
        flow.pages().counters().open.inc();
        let mut line = Self { flow, socket, liveness: Liveness::new(Instant::now()), leave_at: None };
        let begun = match early {
            _ if is_crowded => Err(End::with(&crowded())),
            Ok(incoming) => line.take(incoming),
            Err(violation) => Err(violation.into()),
        };
        match begun {
            Ok(()) => Some(line),
            Err(end) => {
                line.end(Err(end)).await;
                None
            }
        }
    }

    /// Waits for `work`, for as long as the page is there and the pod may wait.
    pub(super) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, End> {
        let mut work = pin!(work);
        loop {
            let deadline = self.leave_at.map_or(self.liveness.deadline(), |at| at.min(self.liveness.deadline()));
            let turn = tokio::select! {
                done = &mut work => return Ok(done),
                received = self.socket.receive() => Turn::Received(received),
                () = self.flow.pages().shutdown().closing(), if self.leave_at.is_none() => Turn::Leaving,
                () = tokio::time::sleep_until(deadline.into()) => Turn::Due,
            };
            let now = Instant::now();
            match turn {
                Turn::Received(incoming) => self.take(incoming?)?,
                // Its page wouldn't find another pod: it is among the last to go.
                Turn::Leaving => self.leave_at = Some(now + self.flow.pages().shutdown().window()),
                Turn::Due if self.leave_at.is_some_and(|at| at <= now) => {
                    return Err(End::Close(close::RESTART, String::new()));
                }
                Turn::Due => match self.liveness.due(now) {
                    Silence::Fine => {}
                    Silence::Ask => self.socket.ping()?,
                    Silence::Gone => return Err(End::Drop),
                },
            }
        }
    }

    /// Tells the page of its login, in these words; done when its scene is over.
    pub(super) async fn tell(&mut self, scene: &mut Following, words: fn(&Login) -> String) -> Result<(), End> {
        loop {
            match self.meanwhile(scene.next()).await? {
                Told::Scanned => {}
                Told::LoggedIn(arrived) => {
                    return Ok(scene.hand_over(&arrived, |login| self.socket.send(&words(login)))?);
                }
                Told::Over => return Ok(()),
            }
        }
    }

    /// Sends a text.
    pub(super) fn say(&mut self, text: &str) -> Result<(), End> {
        Ok(self.socket.send(text)?)
    }

    /// Closes.
    pub(super) async fn end(self, ended: Result<(), End>) {
        let end = ended.err().unwrap_or_else(|| End::Close(close::DONE, String::new()));
        Box::pin(end.carry_out(self.flow.pages(), self.socket)).await;
    }

    fn take(&mut self, incoming: Vec<Incoming>) -> Result<(), End> {
        self.liveness.heard(Instant::now());
        for incoming in incoming {
            match incoming {
                Incoming::Text(_) => self.flow.count_ignored(),
                Incoming::Ping(payload) => self.socket.pong(&payload)?,
                Incoming::Pong => {}
                Incoming::Close => return Err(End::Close(close::DONE, String::new())),
            }
        }
        Ok(())
    }
}

/// Waits a little longer than this, or less, so that those who wait for the same don't end together.
pub(super) async fn about(time: Duration) {
    tokio::time::sleep(time.mul_f32(rand::random_range(0.6..1.4))).await;
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
        assert!(size <= 1200, "{size} bytes a page");
    }
}
