//! One page's task: the only place where its socket, its watch and its session meet.
//!
//! It is small on purpose, since a pod has one for each page: whatever takes more memory than
//! waiting does runs in a box of its own, for as long as it runs.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
    time::Instant,
};

use scenecast_shared::{
    bus::{BusError, Mailbox, Notice, Watch},
    scene::{Page, SceneId},
    serve::Problem,
};

use crate::{
    pages::{Pages, push_span},
    session::{Action, Begun, Session, close_for},
    wire::Frame,
    ws::{Broken, Incoming, Socket, Violation},
};

/// What a page waits for beside its socket and its watch.
type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

enum Done {
    Begun(Result<Begun, Problem>, Option<Watch>),
    Checked(Result<Option<Mailbox>, BusError>),
}

/// Serves the page until its scene is over, it leaves, or this pod does.
///
/// Not an `async fn`: that would keep its arguments twice.
pub(crate) fn hold(
    pages: Pages,
    page: Page,
    socket: Socket,
    early: Result<Vec<Incoming>, Violation>,
) -> impl Future<Output = ()> + Send {
    let session = Session::new(Instant::now());
    let page = Box::new(page);
    let mut hold = Hold { session, pages, socket, page, scene: None, watch: None, work: None, leaving: false };
    async move {
        hold.pages.counters().open.inc();
        let end = match hold.take(Turn::Received(early.map_err(Broken::Violation))) {
            Ok(()) => hold.run().await,
            Err(end) => end,
        };
        let Hold { pages, socket, watch, .. } = hold;
        // The scene is let go of before the socket lingers.
        drop(watch);
        Box::pin(end.carry_out(&pages, socket)).await;
    }
}

/// How a socket ends.
#[derive(Debug)]
pub(crate) enum End {
    /// With this code and reason.
    Close(u16, String),
    /// Without a word: nobody would hear it.
    Drop,
}

impl End {
    /// With what this problem ends in.
    pub(crate) fn with(problem: &Problem) -> Self {
        let (code, reason) = close_for(problem);
        Self::Close(code, reason)
    }

    /// Counts it and does it.
    pub(crate) async fn carry_out(self, pages: &Pages, socket: Socket) {
        let code = match &self {
            Self::Close(code, _) => code.to_string(),
            Self::Drop => "none".to_owned(),
        };
        pages.counters().open.dec();
        pages.counters().closed.with_label_values(&[&code]).inc();
        if let Self::Close(code, reason) = self {
            socket.close(code, &reason).await;
        }
    }
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Violation(violation) => violation.into(),
            Broken::Gone => Self::Drop,
            Broken::TooSlow => {
                tracing::info!("a reader was too slow; its scene can be resumed");
                Self::Drop
            }
        }
    }
}

impl From<Violation> for End {
    fn from(violation: Violation) -> Self {
        Self::Close(violation.close_code(), violation.to_string())
    }
}

struct Hold {
    session: Session,
    pages: Pages,
    socket: Socket,
    page: Box<Page>,
    scene: Option<SceneId>,
    watch: Option<Watch>,
    work: Option<Work>,
    leaving: bool,
}

/// What happens next.
enum Turn {
    Received(Result<Vec<Incoming>, Broken>),
    Notice(Notice),
    Done(Done),
    Closing,
    Due,
}

impl Hold {
    async fn run(&mut self) -> End {
        loop {
            let turn = tokio::select! {
                received = self.socket.receive() => Turn::Received(received),
                notice = poll_fn(|cx| match &mut self.watch {
                    Some(watch) => watch.poll_next(cx),
                    None => Poll::Pending,
                }) => Turn::Notice(notice),
                done = poll_fn(|cx| match &mut self.work {
                    Some(work) => work.as_mut().poll(cx),
                    None => Poll::Pending,
                }) => Turn::Done(done),
                () = self.pages.shutdown().closing(), if !self.leaving => Turn::Closing,
                () = tokio::time::sleep_until(self.session.deadline().into()) => Turn::Due,
            };
            if let Err(end) = self.take(turn) {
                return end;
            }
        }
    }

    fn take(&mut self, turn: Turn) -> Result<(), End> {
        let now = Instant::now();
        let actions = match turn {
            Turn::Received(received) => {
                for incoming in received? {
                    let actions = self.session.received(incoming, now);
                    self.act(actions)?;
                }
                return Ok(());
            }
            Turn::Notice(notice) => self.session.noticed(notice, now),
            Turn::Due => self.session.due(now),
            Turn::Closing => {
                self.leaving = true;
                self.session.leave(now, self.pages.shutdown().window(), rand::random());
                return Ok(());
            }
            Turn::Done(done) => {
                self.work = None;
                match done {
                    Done::Begun(begun, watch) => {
                        self.scene = begun.as_ref().ok().map(|begun| begun.claims.scene);
                        self.watch = watch;
                        self.session.begun(begun, now)
                    }
                    Done::Checked(read) => self.session.checked(&read, now),
                }
            }
        };
        self.act(actions)
    }

    fn act(&mut self, actions: Vec<Action>) -> Result<(), End> {
        for action in actions {
            match action {
                Action::Send(text) => self.socket.send(&text)?,
                Action::Ping => self.socket.ping()?,
                Action::Pong(payload) => self.socket.pong(&payload)?,
                Action::HandOver(event, handover) => {
                    let Some(scene) = self.scene else { continue };
                    let push = push_span(scene, &event);
                    let _entered = push.enter();
                    self.socket.send(&Frame::event(&event).json())?;
                    self.pages.handed_over(scene, &event, handover);
                }
                Action::Begin(first) => {
                    // What the page said of itself is told once, with its scene.
                    let begin = self.pages.clone().begin(first, std::mem::take(&mut *self.page));
                    self.work = Some(Box::pin(async move {
                        let (begun, watch) = begin.await;
                        Done::Begun(begun, watch)
                    }));
                }
                Action::CheckEnd => {
                    let (bus, scene) = (self.pages.bus().clone(), self.scene);
                    self.work = Some(Box::pin(async move {
                        Done::Checked(match scene {
                            Some(scene) => bus.read(scene).await,
                            None => Ok(None),
                        })
                    }));
                }
                Action::Reopen(claims, ends) => {
                    self.pages.reopen(&claims, Page::default(), ends, true);
                }
                Action::Close(code, reason) => return Err(End::Close(code, reason)),
                Action::Drop => return Err(End::Drop),
            }
        }
        Ok(())
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
