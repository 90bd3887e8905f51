//! Where the workers of a run wait for each other, so that none is in its load while another one's pages still open.
//!
//! See docs/decisions/105-workers-meet-in-two-streams-of-a-redis.md.

use tokio::sync::watch;

/// A generator's side of the gates. Each gate has a number; they are passed in the order of their numbers, from 1.
#[derive(Debug)]
pub struct PhaseGate {
    arrived: watch::Sender<u32>,
    /// The last gate that is open.
    open: watch::Receiver<u32>,
}

/// The side of whoever opens the gates.
#[derive(Debug)]
pub struct GateKeeper {
    arrived: watch::Receiver<u32>,
    open: watch::Sender<u32>,
}

impl PhaseGate {
    /// Gates that somebody opens.
    pub fn kept() -> (Self, GateKeeper) {
        let (arrived, sees_arrived) = watch::channel(0);
        let (opens, open) = watch::channel(0);
        (Self { arrived, open }, GateKeeper { arrived: sees_arrived, open: opens })
    }

    /// Gates that are open: those of a run without workers.
    pub fn open() -> Self {
        Self { arrived: watch::Sender::new(0), open: watch::Sender::new(u32::MAX).subscribe() }
    }

    /// Waits until this gate is open.
    pub async fn pass(&self, gate: u32) {
        self.arrived.send_replace(gate);
        // It fails if the keeper is gone. Then nobody is waited for.
        let _ = self.open.clone().wait_for(|open| *open >= gate).await;
    }
}

impl GateKeeper {
    /// The gate at which the generator waits, or which it passed last; 0 before the first.
    pub fn arrived(&self) -> u32 {
        *self.arrived.borrow()
    }

    /// Opens this gate and those before it.
    pub fn open(&self, gate: u32) {
        self.open.send_if_modified(|open| std::mem::replace(open, gate.max(*open)) < gate);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_gate_is_passed_once_it_is_open_and_those_without_a_keeper_are_open() {
        let (gate, keeper) = PhaseGate::kept();
        assert_eq!((gate.pass(1).now_or_never(), keeper.arrived()), (None, 1));
        keeper.open(1);
        gate.pass(1).await;
        assert_eq!((gate.pass(2).now_or_never(), keeper.arrived()), (None, 2));
        drop(keeper);
        gate.pass(2).await;
        PhaseGate::open().pass(7).await;
    }
}
