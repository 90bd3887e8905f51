//! One page: it opens, waits, reconnects, and opens again where the plan wants that.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{generator_state::GeneratorState, waiting_pages::WaitingPage};
use crate::targets::{Heard, LoginTarget, OpenedPage, PageEnd, PageError, PageNews, PageOrder, Seat, TargetPage};

/// The longest pause before a page tries again. It is random, so that pages don't come back together.
const PAUSE: Duration = Duration::from_secs(1);

/// How a page's wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PageFate {
    LoggedIn,
    /// Its scene is over without a login, or its person left.
    WithoutLogin,
}

/// Keeps one page open until the run ends. Its first open is planned for this instant.
pub(super) async fn keep_page<T: LoginTarget>(state: Arc<GeneratorState<T>>, mut planned: Instant) {
    loop {
        let seat = state.next_seat();
        // Opening needs much more memory than waiting, and only for a moment.
        let (mut page, news) = Box::pin(open(&state, seat, planned)).await;
        let fate = wait(&state, seat, &mut page, &news).await;
        if fate == PageFate::LoggedIn {
            news.listened_on(Box::pin(page.listen_on()).await);
            page.close().await;
            if !state.plan.refill {
                return;
            }
        }
        planned = Instant::now();
    }
}

/// Opens a page, however often that takes.
async fn open<T: LoginTarget>(state: &GeneratorState<T>, seat: Seat, planned: Instant) -> (T::Page, PageNews) {
    let phase = state.recorder.phase();
    loop {
        state.recorder.asked(phase);
        match state.target.open(seat).await {
            Ok(OpenedPage { page, trigger, scene }) => {
                state.recorder.opened(phase, planned);
                let news = PageNews::default();
                state.waiting.add(WaitingPage { seat, scene, trigger, news: news.clone() });
                return (page, news);
            }
            Err(error) => {
                state.recorder.open_failed(phase, error.code());
                pause(&error).await;
            }
        }
    }
}

/// Waits until the page's wait is over. Returns when it has told its news, and its connection is not counted any more.
async fn wait<T: LoginTarget>(state: &GeneratorState<T>, seat: Seat, page: &mut T::Page, news: &PageNews) -> PageFate {
    loop {
        let heard = tokio::select! {
            heard = page.hear() => heard,
            order = news.ordered() => match order {
                PageOrder::Leave => {
                    state.recorder.left();
                    news.ended(PageEnd::Never("left".to_owned()));
                    return PageFate::WithoutLogin;
                }
                PageOrder::Reconnect => Heard::SentAway { after: Duration::ZERO, problem: None },
            },
        };
        let after = match heard {
            Heard::Scanned { number } => {
                news.scanned(number);
                continue;
            }
            Heard::Login { grant } => {
                news.ended(PageEnd::Login { at: Instant::now(), grant });
                state.recorder.closed();
                if !news.is_taken() {
                    state.recorder.unasked_login();
                }
                return PageFate::LoggedIn;
            }
            Heard::Over { code } => {
                state.recorder.problem(&code);
                state.recorder.closed();
                news.ended(PageEnd::Never(code));
                return PageFate::WithoutLogin;
            }
            Heard::SentAway { after, problem } => {
                state.recorder.disconnected(problem.as_deref());
                after
            }
            Heard::Disconnected => {
                state.recorder.disconnected(Some("connection lost"));
                Duration::ZERO
            }
        };
        if let Err(code) = Box::pin(come_back(state, seat, page, after)).await {
            news.ended(PageEnd::Never(code));
            return PageFate::WithoutLogin;
        }
    }
}

/// Reconnects a page after this time, however often that takes. Fails with the code of a server that knows its scene no more.
async fn come_back<T: LoginTarget>(
    state: &GeneratorState<T>,
    seat: Seat,
    page: &mut T::Page,
    after: Duration,
) -> Result<(), String> {
    sleep(after).await;
    loop {
        match state.target.reconnect(page, seat).await {
            Ok(()) => {
                state.recorder.reconnected();
                return Ok(());
            }
            Err(PageError::Refused(code)) if is_final(&code) => {
                state.recorder.problem(&code);
                return Err(code);
            }
            Err(error) => {
                state.recorder.problem(error.code());
                pause(&error).await;
            }
        }
    }
}

/// Whether a server that refuses with this code will never have the page's scene again.
fn is_final(code: &str) -> bool {
    matches!(
        code,
        "expired" | "scene_unknown" | "scene_over" | "key_expired" | "key_invalid" | "cancelled" | "declined"
    )
}

/// Waits as long as the server wants it, or a random time.
async fn pause(error: &PageError) {
    let pause = match error {
        PageError::Later { after, .. } => *after,
        _ => PAUSE.mul_f64(rand::random()),
    };
    sleep(pause).await;
}
