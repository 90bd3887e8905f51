//! Wakes tasks to some ten microseconds. The runtime's own timer rounds up to whole milliseconds, which is more than a
//! login takes.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc, thread, time::Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

/// A thread that wakes tasks at their instants. It ends with the last clone. Clones share it.
#[derive(Debug, Clone)]
pub struct PreciseTimer(Arc<TimerHandle>);

#[derive(Debug)]
struct TimerHandle(Arc<TimerState>);

#[derive(Debug, Default)]
struct TimerState {
    waiting: Mutex<WaitingTasks>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct WaitingTasks {
    /// The next one to wake is on top.
    tasks: BinaryHeap<Reverse<WaitingTask>>,
    is_over: bool,
}

/// Ordered by its instant alone.
#[derive(Debug)]
struct WaitingTask {
    at: Instant,
    wake: oneshot::Sender<()>,
}

impl PartialEq for WaitingTask {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for WaitingTask {}

impl PartialOrd for WaitingTask {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for WaitingTask {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl Drop for TimerHandle {
    fn drop(&mut self) {
        self.0.waiting.lock().is_over = true;
        self.0.changed.notify_one();
    }
}

impl Default for PreciseTimer {
    fn default() -> Self {
        Self::start()
    }
}

impl PreciseTimer {
    /// Starts its thread.
    pub fn start() -> Self {
        let state = Arc::<TimerState>::default();
        let of_thread = state.clone();
        thread::Builder::new()
            .name("timer".to_owned())
            .spawn(move || of_thread.run())
            .expect("a thread can be started");
        Self(Arc::new(TimerHandle(state)))
    }

    /// Returns at this instant, or at once if it is over.
    pub async fn sleep_until(&self, at: Instant) {
        if at <= Instant::now() {
            return;
        }
        let (wake, woken) = oneshot::channel();
        let is_next = {
            let mut waiting = self.0.0.waiting.lock();
            waiting.tasks.push(Reverse(WaitingTask { at, wake }));
            waiting.tasks.peek().is_some_and(|Reverse(task)| task.at == at)
        };
        if is_next {
            self.0.0.changed.notify_one();
        }
        // The thread lives as long as this handle.
        let _ = woken.await;
    }
}

impl WaitingTasks {
    /// Takes the next task whose instant has come.
    fn take_due(&mut self, now: Instant) -> Option<WaitingTask> {
        let is_due = self.tasks.peek().is_some_and(|Reverse(task)| task.at <= now);
        if is_due { self.tasks.pop().map(|Reverse(task)| task) } else { None }
    }
}

impl TimerState {
    fn run(&self) {
        let mut waiting = self.waiting.lock();
        while !waiting.is_over {
            let now = Instant::now();
            while let Some(task) = waiting.take_due(now) {
                // It fails if the task doesn't wait any more.
                let _ = task.wake.send(());
            }
            match waiting.tasks.peek().map(|Reverse(task)| task.at) {
                Some(at) => _ = self.changed.wait_until(&mut waiting, at),
                None => self.changed.wait(&mut waiting),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn tasks_are_due_in_the_order_of_their_instants_and_never_early() {
        let began = Instant::now();
        let after = |millis| began + Duration::from_millis(millis);
        let mut waiting = WaitingTasks::default();
        for millis in [30, 10, 20, 0] {
            waiting.tasks.push(Reverse(WaitingTask { at: after(millis), wake: oneshot::channel().0 }));
        }
        let mut due = |now| std::iter::from_fn(|| waiting.take_due(now)).map(|task| task.at).collect::<Vec<_>>();
        assert_eq!(due(after(19)), [after(0), after(10)]);
        assert!(due(after(19)).is_empty());
        assert_eq!(due(after(1000)), [after(20), after(30)]);
    }

    #[tokio::test]
    async fn each_task_wakes_after_its_instant() {
        let timer = PreciseTimer::start();
        let began = Instant::now();
        let sleepers = [30, 10, 20, 0].map(|millis| {
            let timer = timer.clone();
            tokio::spawn(async move {
                let at = began + Duration::from_millis(millis);
                timer.sleep_until(at).await;
                assert!(Instant::now() >= at);
            })
        });
        for sleeper in sleepers {
            sleeper.await.unwrap();
        }
    }
}
