//! What a page has heard, for whoever waits for it: the phone for a number, the generator for the login.

use std::{sync::Arc, time::Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// What a page has heard. The page tells, and one task waits. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct PageNews(Arc<NewsBoard>);

/// No two pages share one, so its lock is free.
#[derive(Debug, Default)]
struct NewsBoard {
    heard: Mutex<HeardSoFar>,
    changed: Notify,
    ordered: Notify,
}

#[derive(Debug, Default)]
struct HeardSoFar {
    number: Option<u8>,
    end: Option<PageEnd>,
    order: Option<PageOrder>,
    heard_again: Option<u32>,
    is_taken: bool,
}

/// What the person before a page does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageOrder {
    /// Closes it.
    Leave,
    /// Loses the connection, and comes back.
    Reconnect,
}

/// How a page's wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageEnd {
    /// It heard of its login at this moment, and got this grant.
    Login { at: Instant, grant: Option<String> },
    /// It will never hear of a login; the code says why.
    Never(String),
}

impl PageNews {
    /// The page heard that somebody scanned, and shows this number; 0 if there is none.
    pub fn scanned(&self, number: u8) {
        self.0.heard.lock().number.get_or_insert(number);
        self.0.changed.notify_one();
    }

    /// The page's wait ended. Only the first end counts.
    pub fn ended(&self, end: PageEnd) {
        self.0.heard.lock().end.get_or_insert(end);
        self.0.changed.notify_one();
    }

    /// Waits for the number that the page shows after the scan. `None` if its wait ended before.
    pub async fn number(&self) -> Option<u8> {
        loop {
            {
                let heard = self.0.heard.lock();
                if heard.number.is_some() || heard.end.is_some() {
                    return heard.number;
                }
            }
            self.0.changed.notified().await;
        }
    }

    /// After its login the page has listened on, and heard this many more.
    pub fn listened_on(&self, heard_again: u32) {
        self.0.heard.lock().heard_again.get_or_insert(heard_again);
        self.0.changed.notify_one();
    }

    /// Waits until the page has listened on after its login. Answers how many more logins it heard.
    pub async fn heard_again(&self) -> u32 {
        loop {
            if let Some(logins) = self.0.heard.lock().heard_again {
                return logins;
            }
            self.0.changed.notified().await;
        }
    }

    /// A phone acts for this page from now on.
    pub fn take(&self) {
        self.0.heard.lock().is_taken = true;
    }

    /// Whether a phone acts for this page. A login of any other page is somebody else's.
    pub fn is_taken(&self) -> bool {
        self.0.heard.lock().is_taken
    }

    /// Whether the page's wait is over.
    pub fn has_ended(&self) -> bool {
        self.0.heard.lock().end.is_some()
    }

    /// Makes the page do this. Of several orders the last one counts.
    pub fn order(&self, order: PageOrder) {
        self.0.heard.lock().order = Some(order);
        self.0.ordered.notify_one();
    }

    /// Waits until the page has to do something.
    pub async fn ordered(&self) -> PageOrder {
        loop {
            if let Some(order) = self.0.heard.lock().order.take() {
                return order;
            }
            self.0.ordered.notified().await;
        }
    }

    /// Waits for the end.
    pub async fn end(&self) -> PageEnd {
        loop {
            if let Some(end) = self.0.heard.lock().end.clone() {
                return end;
            }
            self.0.changed.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn whoever_waits_learns_what_came_before_and_what_comes_later() {
        let news = PageNews::default();
        let login = PageEnd::Login { at: Instant::now(), grant: None };
        assert_eq!((news.number().now_or_never(), news.end().now_or_never()), (None, None));
        news.scanned(42);
        assert_eq!(news.number().await, Some(42));
        let waits = tokio::spawn({
            let news = news.clone();
            async move { news.end().await }
        });
        news.ended(login.clone());
        news.ended(PageEnd::Never("too late".to_owned()));
        assert_eq!(waits.await.unwrap(), login);
        assert_eq!(news.heard_again().now_or_never(), None);
        news.listened_on(2);
        assert_eq!(news.heard_again().await, 2);
    }

    #[tokio::test]
    async fn a_phone_does_not_wait_for_the_number_of_a_page_that_is_gone() {
        let news = PageNews::default();
        news.ended(PageEnd::Never("left".to_owned()));
        assert_eq!(news.number().await, None);
    }
}
