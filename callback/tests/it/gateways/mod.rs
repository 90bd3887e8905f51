//! What gateways ask.

mod handles;
mod open;
