//! A gateway as browsers meet it, over real sockets. What needs a callback is tested with one, in `loadtest` and
//! `deploy/standalone`.
//!
//! | module | what |
//! |---|---|
//! | `fixtures` | a gateway, scenes on its bus, and clients |
//! | `transport` | the own API over WebSocket, server-sent events and long poll |
//! | `compatible` | routes for login pages that were written for other servers |
//! | `descriptors` | a gateway that may open few files |
//! | `drain` | a gateway that shuts down while pages wait |
//! | `limits` | what happens beyond the limits |
//! | `misplaced` | requests that belong to another listener |
//! | `proxy` | nginx before gateways |
//! | `open_bursts` | many pages that open scenes at the same time |
//! | `wrong_settings` | settings that can be used and are wrong |
//! | `visitors` | what is told of the page that asks for a scene |
//! | `hostile` | peers that break the rules on purpose |
//! | `signals` | the signals that its process gets |
//! | `slow_clients` | peers that send next to nothing |

#![expect(clippy::unwrap_used, reason = "a fixture that can't go on fails its test")]

mod compatible;
mod descriptors;
mod drain;
mod fixtures;
mod hostile;
mod limits;
mod misplaced;
mod networks;
mod open_bursts;
mod proxy;
mod signals;
mod slow_clients;
mod transport;
mod visitors;
mod wrong_settings;
