//! Who goes next, when this pod has to lose pages: each waits in a line until it is its turn.
//!
//! Waiting costs a page nothing but its place in a line's list. How many go when is decided for all of them
//! at once, so that a fleet sees an even stream of reconnects and not what chance makes of it.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use scenecast_shared::serve::Shutdown;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, MissedTickBehavior, interval},
};

use crate::pace::Pace;

/// How often turns are given.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// Which line a page waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its page comes back by itself, elsewhere; one that doesn't stays as long as may be.
    pub(crate) comes_back: bool,
    /// Somebody has scanned, and is about to confirm: these go last.
    pub(crate) scanned: bool,
}

impl Line {
    fn index(self) -> usize {
        usize::from(self.comes_back) * 2 + usize::from(self.scanned)
    }
}

/// The lines. Clones are the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Turns(Arc<[Waiting; 4]>);

#[derive(Debug)]
struct Waiting {
    pages: AtomicUsize,
    turns: Semaphore,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self(Arc::new([(); 4].map(|()| Waiting { pages: AtomicUsize::new(0), turns: Semaphore::new(0) })))
    }

    fn line(&self, line: Line) -> &Waiting {
        &self.0[line.index()]
    }

    /// A page's place, until it is dropped.
    pub(crate) fn join(&self, line: Line) -> InLine {
        self.line(line).pages.fetch_add(1, Ordering::Relaxed);
        InLine { turns: self.clone(), line }
    }

    /// Done when it is the turn of a page in this line. May be dropped half-way: the turn is another's then.
    ///
    /// Not an `async fn`, which would keep its arguments in each page's task.
    pub(crate) fn turn(&self, line: Line) -> impl Future<Output = ()> {
        // Closed, it is everybody's turn.
        self.line(line).turns.acquire().map(|turn| turn.map_or((), SemaphorePermit::forget))
    }

    /// How many pages this pod holds.
    pub(crate) fn held(&self) -> usize {
        self.0.iter().map(|line| line.pages.load(Ordering::Relaxed)).sum()
    }

    /// How many of them come back by themselves, elsewhere.
    pub(crate) fn coming_back(&self) -> usize {
        [false, true].map(|scanned| self.pages(Line { comes_back: true, scanned })).iter().sum()
    }

    fn pages(&self, line: Line) -> usize {
        self.line(line).pages.load(Ordering::Relaxed)
    }

    /// Gives turns to so many pages of a line, instead of those that nobody took.
    pub(crate) fn give(&self, line: Line, turns: usize) {
        let waiting = &self.line(line).turns;
        waiting.forget_permits(Semaphore::MAX_PERMITS);
        waiting.add_permits(turns);
    }

    /// Sees everybody out once the process closes: those who come back over the drain window, the others over
    /// as long before `stay` has passed.
    pub(crate) async fn see_out(&self, shutdown: &Shutdown, stay: Duration) {
        let open = shutdown.stay();
        shutdown.closing().await;
        let window = shutdown.window();
        let stay = stay.max(window);
        tokio::join!(self.empty(true, Duration::ZERO..window, window), async {
            self.empty(false, stay.saturating_sub(window)..stay, window).await;
            drop(open);
        });
    }

    /// Has the pages of two lines go in this time from now, those that somebody has scanned last. Done when
    /// none is left, and no sooner than after `window`.
    async fn empty(&self, comes_back: bool, time: Range<Duration>, window: Duration) {
        let [idle, scanned] = [false, true].map(|scanned| Line { comes_back, scanned });
        let began = Instant::now();
        let mut pace = Pace::default();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (at, pages) = (began.elapsed(), [idle, scanned].map(|line| self.pages(line)));
            let left = pages[0] + pages[1];
            // A handshake that was under way is a page soon.
            if at >= time.end || (left == 0 && at >= window) {
                break;
            }
            let due = pace.due(left, at.saturating_sub(time.start), time.end.saturating_sub(time.start));
            self.give(idle, due.min(pages[0]));
            self.give(scanned, due.saturating_sub(pages[0]));
        }
        for line in [idle, scanned] {
            self.line(line).turns.close();
        }
    }
}

/// A page's place in a line.
#[derive(Debug)]
pub(crate) struct InLine {
    turns: Turns,
    line: Line,
}

impl InLine {
    /// Where it waits.
    pub(crate) fn line(&self) -> Line {
        self.line
    }

    /// Its scene has been scanned, or has not any more.
    pub(crate) fn set_scanned(&mut self, scanned: bool) {
        if scanned != self.line.scanned {
            let line = Line { scanned, ..self.line };
            *self = self.turns.join(line);
        }
    }
}

impl Drop for InLine {
    fn drop(&mut self) {
        self.turns.line(self.line).pages.fetch_sub(1, Ordering::Relaxed);
    }
}
