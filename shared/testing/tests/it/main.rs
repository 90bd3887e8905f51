//! The fixtures themselves: what they break breaks as in a network.

#![expect(clippy::unwrap_used, reason = "a fixture that can't go on fails its test")]

mod fault_proxy;
