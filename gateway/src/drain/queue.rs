//! The queue in which every page of this pod waits until it is released, that is, told to go to another pod.
//!
//! Waiting costs a page nothing but its place in a semaphore's list. How many pages to release is decided for all
//! of them at once, so that a fleet sees an even stream of reconnects.
//!
//! | class | drained | shed |
//! |---|---|---|
//! | reconnects, not scanned | first | yes |
//! | reconnects, scanned | after those | no |
//! | doesn't reconnect, not scanned | at the end of the longer drain of compatible routes | no |
//! | doesn't reconnect, scanned | after those | no |
//!
//! See docs/decisions/026-pages-leave-one-by-one-at-one-pace.md.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use scenecast_service::shutdown::Shutdown;
use tokio::{
    sync::Semaphore,
    time::{Instant, MissedTickBehavior, interval},
};

use super::pacer::{Pacer, TICK};

/// Which pages are released together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DrainClass {
    /// The page reconnects by itself and reaches another pod. A page that doesn't may stay as long as possible.
    pub(crate) reconnects: bool,
    /// Somebody has scanned and is about to confirm, so the page goes last.
    pub(crate) scanned: bool,
}

impl DrainClass {
    fn index(self) -> usize {
        usize::from(self.reconnects) * 2 + usize::from(self.scanned)
    }
}

/// Why a page has to go to another pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DrainReason {
    /// This pod shuts down.
    Restart,
    /// This pod has more than its share of the fleet's pages.
    Rebalance,
}

/// The queue. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct DrainQueue(Arc<QueueInner>);

#[derive(Debug)]
struct QueueInner {
    classes: [ClassQueue; 4],
    shutdown: Shutdown,
}

#[derive(Debug)]
struct ClassQueue {
    pages: AtomicUsize,
    /// A permit releases one page. Closed, it releases all of them.
    permits: Semaphore,
}

impl DrainQueue {
    /// An empty queue, which [`DrainQueue::drain`] empties when `shutdown` says so.
    pub(crate) fn new(shutdown: Shutdown) -> Self {
        let classes = [(); 4].map(|()| ClassQueue { pages: AtomicUsize::new(0), permits: Semaphore::new(0) });
        Self(Arc::new(QueueInner { classes, shutdown }))
    }

    pub(super) fn shutdown(&self) -> &Shutdown {
        &self.0.shutdown
    }

    fn class(&self, class: DrainClass) -> &ClassQueue {
        &self.0.classes[class.index()]
    }

    /// Counts a page until its ticket is dropped.
    pub(crate) fn join(&self, class: DrainClass) -> DrainTicket {
        self.class(class).pages.fetch_add(1, Ordering::Relaxed);
        DrainTicket { queue: self.clone(), class }
    }

    /// Waits until a page of this class is released. If the future is dropped first, another page is released.
    ///
    /// Not an `async fn`, which would keep its arguments in each page's task.
    pub(crate) fn released(&self, class: DrainClass) -> impl Future<Output = DrainReason> {
        self.class(class).permits.acquire().map(|permit| {
            // Without a permit, the semaphore is closed, which releases all pages.
            if let Ok(permit) = permit {
                permit.forget();
            }
            if self.shutdown().is_closing() { DrainReason::Restart } else { DrainReason::Rebalance }
        })
    }

    /// How many pages this pod has.
    pub(super) fn pages(&self) -> usize {
        self.0.classes.iter().map(|class| class.pages.load(Ordering::Relaxed)).sum()
    }

    /// How many of them reconnect by themselves.
    pub(super) fn reconnecting_pages(&self) -> usize {
        [false, true].map(|scanned| self.pages_of(DrainClass { reconnects: true, scanned })).iter().sum()
    }

    fn pages_of(&self, class: DrainClass) -> usize {
        self.class(class).pages.load(Ordering::Relaxed)
    }

    /// Releases so many pages of a class. Earlier releases that no page has used yet are void.
    pub(super) fn release(&self, class: DrainClass, pages: usize) {
        let permits = &self.class(class).permits;
        permits.forget_permits(Semaphore::MAX_PERMITS);
        permits.add_permits(pages);
    }

    /// Waits until the process closes, and then releases all pages: those that reconnect over the drain window,
    /// the others over a window that ends after `compatible_window`.
    pub(crate) async fn drain(&self, compatible_window: Duration) {
        let shutdown = self.shutdown();
        let open = shutdown.hold_drain();
        shutdown.closing().await;
        let window = shutdown.drain_window();
        let compatible_window = compatible_window.max(window);
        tokio::join!(self.empty(true, Duration::ZERO..window, window), async {
            self.empty(false, compatible_window.saturating_sub(window)..compatible_window, window).await;
            drop(open);
        });
    }

    /// Releases two classes in this time from now, the scanned pages last. Done when no page is left, and no
    /// sooner than after `window`.
    async fn empty(&self, reconnects: bool, time: Range<Duration>, window: Duration) {
        let [idle, scanned] = [false, true].map(|scanned| DrainClass { reconnects, scanned });
        let began = Instant::now();
        let mut pacer = Pacer::default();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let elapsed = began.elapsed();
            let idle_pages = self.pages_of(idle);
            let pages = idle_pages + self.pages_of(scanned);
            // Before the window has passed, a connection that is being opened may still become a page.
            if elapsed >= time.end || (pages == 0 && elapsed >= window) {
                break;
            }
            let due = pacer.due(pages, elapsed.saturating_sub(time.start), time.end.saturating_sub(time.start));
            self.release(idle, due.min(idle_pages));
            self.release(scanned, due.saturating_sub(idle_pages));
        }
        for class in [idle, scanned] {
            self.class(class).permits.close();
        }
    }
}

/// A page's place in the queue.
#[derive(Debug)]
pub(crate) struct DrainTicket {
    queue: DrainQueue,
    class: DrainClass,
}

impl DrainTicket {
    pub(crate) fn class(&self) -> DrainClass {
        self.class
    }

    /// Moves the page to the class of scanned pages, or back.
    pub(crate) fn set_scanned(&mut self, scanned: bool) {
        if scanned != self.class.scanned {
            let class = DrainClass { scanned, ..self.class };
            *self = self.queue.join(class);
        }
    }
}

impl Drop for DrainTicket {
    fn drop(&mut self) {
        self.queue.class(self.class).pages.fetch_sub(1, Ordering::Relaxed);
    }
}
