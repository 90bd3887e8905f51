//! The fixtures themselves are tested: their faults are like those of real networks.

#![expect(clippy::unwrap_used, reason = "a fixture that can't go on fails its test")]

mod fault_proxy;
