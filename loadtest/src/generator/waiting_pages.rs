//! The pages that show a code and can be logged in. The one that has waited longest comes first.

use std::collections::VecDeque;

use parking_lot::Mutex;
use scenecast_scene::SceneId;

use crate::targets::{PageNews, PageOrder, Seat};

/// Pages that wait, with what triggers them.
#[derive(Debug)]
pub(super) struct WaitingPages<T>(Mutex<VecDeque<WaitingPage<T>>>);

/// A page that waits.
#[derive(Debug)]
pub(super) struct WaitingPage<T> {
    pub(super) seat: Seat,
    pub(super) scene: SceneId,
    pub(super) trigger: T,
    pub(super) news: PageNews,
}

impl<T> Default for WaitingPages<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> WaitingPages<T> {
    pub(super) fn add(&self, page: WaitingPage<T>) {
        self.0.lock().push_back(page);
    }

    /// Takes the page that has waited longest. Pages whose wait is over meanwhile are passed by.
    pub(super) fn take(&self) -> Option<WaitingPage<T>> {
        let mut pages = self.0.lock();
        loop {
            let page = pages.pop_front()?;
            if !page.news.has_ended() {
                page.news.take();
                return Some(page);
            }
        }
    }

    /// Makes any page come back on another connection. It may be logged in meanwhile.
    pub(super) fn reconnect_any(&self) {
        let pages = self.0.lock();
        if !pages.is_empty() {
            pages[rand::random_range(0..pages.len())].news.order(PageOrder::Reconnect);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::WayIn, targets::PageEnd};

    #[test]
    fn pages_are_taken_in_turn_and_those_that_are_gone_are_passed_by() {
        let pages = WaitingPages::default();
        let news: Vec<_> = (0..3)
            .map(|number| {
                let seat = Seat { number, source: None, way: WayIn::WebSocket };
                let news = PageNews::default();
                pages.add(WaitingPage { seat, scene: seat.scene(), trigger: number, news: news.clone() });
                news
            })
            .collect();
        news[0].ended(PageEnd::Never("expired".to_owned()));
        assert_eq!(pages.take().map(|page| page.trigger), Some(1));
        assert_eq!(pages.take().map(|page| page.trigger), Some(2));
        assert!(pages.take().is_none());
        pages.reconnect_any();
    }
}
