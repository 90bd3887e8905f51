//! What is shown while a run goes on: one line that changes on a terminal, a line every few seconds elsewhere.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    generator::{LiveCounts, PhaseWindow, RunRecorder},
    measure::SecondTimings,
    results::LatencySummary,
};

/// How often a line is written where there is no terminal, in seconds.
const PLAIN_EVERY: u64 = 5;
const SECOND: Duration = Duration::from_secs(1);

/// What shows how a run goes.
#[derive(Debug, Clone)]
pub(super) struct Progress(ProgressView);

#[derive(Debug, Clone)]
enum ProgressView {
    /// On a terminal.
    Line(ProgressBar),
    /// In a file or a pipe.
    Plain,
}

impl Progress {
    /// Shows on stderr.
    pub(super) fn start() -> Self {
        if !io::stderr().is_terminal() {
            return Self(ProgressView::Plain);
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(ProgressStyle::with_template("{spinner} {wide_msg}").expect("a valid template"));
        Self(ProgressView::Line(bar))
    }

    /// Says something once.
    pub(super) fn note(&self, text: &str) {
        match &self.0 {
            ProgressView::Line(bar) => bar.println(text),
            // It fails if stderr is closed. Then nobody reads it.
            ProgressView::Plain => _ = writeln!(io::stderr(), "{text}"),
        }
    }

    /// Shows the counts each second. Never returns.
    pub(super) async fn follow(&self, recorder: &RunRecorder) {
        let mut ticks = tokio::time::interval(SECOND);
        for second in 0_u64.. {
            ticks.tick().await;
            self.show(second, || {
                let at = recorder.began().elapsed().as_secs();
                recorder.look(|recorded| {
                    let last = at.checked_sub(1).and_then(|second| recorded.timings.seconds.get(&second));
                    line(at, recorded.windows.last(), recorded.counts, last)
                })
            });
        }
    }

    /// Shows this line in the run's second with this number.
    pub(super) fn show(&self, second: u64, line: impl FnOnce() -> String) {
        match &self.0 {
            ProgressView::Line(bar) => {
                bar.set_message(line());
                bar.tick();
            }
            ProgressView::Plain if second > 0 && second.is_multiple_of(PLAIN_EVERY) => self.note(&line()),
            ProgressView::Plain => {}
        }
    }

    /// Takes the changing line away.
    pub(super) fn end(&self) {
        if let ProgressView::Line(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// The counts so far, and the times of the last whole second.
pub(super) fn line(at: u64, window: Option<&PhaseWindow>, counts: LiveCounts, last: Option<&SecondTimings>) -> String {
    let phase = window.map_or("start", |window| window.phase.name());
    let failed = match counts.failed_opens {
        0 => String::new(),
        failed => format!(" ({failed} opens failed)"),
    };
    let pages = format!("{at:>4} s  {phase:<9} {:>6} pages{failed}", counts.connected);
    let Some(last) = last else { return pages };
    let LatencySummary { p50_ms, p99_ms, .. } = LatencySummary::of(&last.times.response);
    format!(
        "{pages}  {:>5} of {:>5} logins/s  p50 {p50_ms:.1} ms  p99 {p99_ms:.1} ms  {} in all",
        last.heard, last.planned, counts.heard
    )
}
