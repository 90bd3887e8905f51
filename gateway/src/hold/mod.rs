//! One page's WebSocket: the task in which its socket and its watch meet.
//!
//! It is small on purpose, since a pod has one for each page: whatever takes more memory than
//! waiting does runs in a box of its own, for as long as it runs.

mod leave;
mod peer;

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use futures_util::future::OptionFuture;
use scenecast_shared::{scene::Page, serve::Problem};

use crate::{
    pages::{Pages, Transport},
    session::{End, Told},
    turns::Line,
    watching::Watching,
    wire::{First, Frame},
    ws::{Broken, Incoming, Silence, Socket},
};

pub(crate) use leave::Leave;
use peer::{Peer, Said};

/// Opens or resumes a scene; answers the frame that says so, too.
type Begin = Pin<Box<dyn Future<Output = Result<(Box<Watching>, String), Problem>> + Send>>;

/// Serves the page until its scene is over, it leaves, or this pod does.
///
/// Not an `async fn`: that would keep its arguments twice.
pub(crate) fn hold(pages: Pages, page: Page, socket: Socket, early: Vec<Incoming>) -> impl Future<Output = ()> + Send {
    let mut counted = pages.count(Transport::WebSocket);
    let (peer, page) = (Peer::new(Instant::now()), Box::new(page));
    let mut hold = Hold { pages, page, socket, peer, scene: Scene::Unasked };
    async move {
        let leave = match hold.receive(Ok(early)) {
            Ok(()) => hold.run().await,
            Err(leave) => leave,
        };
        let Hold { socket, scene, .. } = hold;
        // The scene is let go of before the socket lingers.
        drop(scene);
        counted.ends(leave.word());
        drop(counted);
        Box::pin(leave.take(socket)).await;
    }
}

struct Hold {
    pages: Pages,
    page: Box<Page>,
    socket: Socket,
    peer: Peer,
    scene: Scene,
}

/// How far a page is with its scene.
enum Scene {
    /// It hasn't asked for one.
    Unasked,
    /// It is being opened or resumed.
    Beginning(Begin),
    /// It has one.
    Watched(Box<Watching>),
}

/// What happens next.
enum Turn {
    Received(Result<Vec<Incoming>, Broken>),
    Begun(Result<(Box<Watching>, String), Problem>),
    Told(Told),
    Leave(End),
    Due,
}

impl Scene {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        match self {
            Self::Unasked => Poll::Pending,
            Self::Beginning(begin) => begin.as_mut().poll(cx).map(Turn::Begun),
            Self::Watched(watching) => watching.poll_next(cx).map(Turn::Told),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Watched(watching) => watching.deadline(),
            Self::Unasked | Self::Beginning(_) => None,
        }
    }

    /// Where its page waits for its turn to go: nowhere before it can come back to its scene.
    fn line(&self) -> Option<Line> {
        match self {
            Self::Watched(watching) => Some(watching.line()),
            Self::Unasked | Self::Beginning(_) => None,
        }
    }
}

impl Hold {
    async fn run(&mut self) -> Leave {
        loop {
            let peer_due = self.peer.deadline();
            let due = self.scene.deadline().map_or(peer_due, |due| due.min(peer_due));
            let line = self.scene.line();
            let turn = tokio::select! {
                // Nobody goes while there is something to tell; and whoever sends without end delays only itself.
                biased;
                turn = poll_fn(|cx| self.scene.poll_next(cx)) => turn,
                Some(end) = OptionFuture::from(line.map(|line| self.pages.turn(line))) => Turn::Leave(end),
                () = tokio::time::sleep_until(due.into()) => Turn::Due,
                received = self.socket.receive() => Turn::Received(received),
            };
            if let Err(leave) = self.take(turn) {
                return leave;
            }
        }
    }

    fn take(&mut self, turn: Turn) -> Result<(), Leave> {
        match turn {
            Turn::Received(received) => self.receive(received),
            Turn::Begun(begun) => self.watch(begun?),
            Turn::Told(Told::Event(event, handover)) => {
                if let Scene::Watched(watching) = &self.scene {
                    watching.carry(&event, handover, |frame| self.socket.send(&frame.json()))?;
                }
                Ok(())
            }
            Turn::Told(Told::Away) => Ok(self.socket.send(&Frame::Trouble.json())?),
            Turn::Told(Told::Back) => {
                if let Scene::Watched(watching) = &self.scene {
                    self.socket.send(&watching.resumed().json())?;
                }
                Ok(())
            }
            Turn::Told(Told::End(end)) | Turn::Leave(end) => Err(Leave::Told(end)),
            Turn::Due => self.due(),
        }
    }

    fn watch(&mut self, (watching, frame): (Box<Watching>, String)) -> Result<(), Leave> {
        self.socket.send(&frame)?;
        self.scene = Scene::Watched(watching);
        Ok(())
    }

    fn due(&mut self) -> Result<(), Leave> {
        if let Scene::Watched(watching) = &mut self.scene {
            watching.due();
        }
        match self.peer.due(Instant::now())? {
            Silence::Fine => Ok(()),
            Silence::Ask => Ok(self.socket.ping()?),
            Silence::Gone => Err(Leave::Gone),
        }
    }

    fn receive(&mut self, received: Result<Vec<Incoming>, Broken>) -> Result<(), Leave> {
        let mut pinged = None;
        for incoming in received? {
            match self.peer.received(incoming, Instant::now())? {
                Said::First(first) => self.scene = Scene::Beginning(self.begin(first)),
                Said::Ping(payload) => pinged = Some(payload),
                Said::Pong => {}
                Said::Close => return Err(Leave::Closed),
                Said::Violation(violation) => return Err(Leave::Violated(violation)),
            }
        }
        // The last of several is enough (RFC 6455 section 5.5.3), and costs one write.
        pinged.map_or(Ok(()), |payload| Ok(self.socket.pong(&payload)?))
    }

    fn begin(&mut self, first: First) -> Begin {
        // What the page said of itself is told once, with its scene.
        let (pages, page) = (self.pages.clone(), std::mem::take(&mut *self.page));
        Box::pin(async move {
            match first {
                First::Open(asked) => {
                    let (watching, opened) = Watching::open(pages, &asked, page).await?;
                    Ok((Box::new(watching), Frame::Opened(&opened).json()))
                }
                First::Resume(asked) => {
                    let claims = pages.check(&asked.key)?;
                    let watching = Watching::resume(pages, claims, asked.after).await?;
                    let frame = watching.resumed().json();
                    Ok((Box::new(watching), frame))
                }
            }
        })
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
        let size = size_of_future(hold);
        assert!(size <= 1024, "{size} bytes a page");
    }
}
