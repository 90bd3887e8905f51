//! Opening scenes. The gateway issues the page's key and has a callback open the scene, since only callbacks may
//! write to the bus. No HTTP server here, and nothing about how a page is connected.
//!
//! | module | what |
//! |---|---|
//! | `service` | [`SceneService`]: keys, opening, and what happens when Redis loses a scene |
//! | `request` | who asks for a scene, what a page sends for that, and what it gets |
//! | `open_fault` | what is wrong with a request to open a scene |
//! | `callback_client` | the calls to the callback |
//! | `call_turns` | how many calls are under way at a time |
//! | `reopen_queue` | scenes that wait to be opened again |
//! | `remembered_codes` | the codes to be typed that pages of this gateway show |
//! | `qr` | draws a QR code |

mod call_turns;
mod callback_client;
mod open_fault;
mod qr;
mod remembered_codes;
mod reopen_queue;
mod request;
mod service;

pub(crate) use open_fault::{fault_of_value, open_fault};
pub(crate) use request::{Locale, OpenRequest, OpenedScene, Visitor};
pub(crate) use service::{SceneService, draw_qr};
