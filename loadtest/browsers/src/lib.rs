//! Browsers for tests and for load.
//!
//! | module | what it is for |
//! |---|---|
//! | [`login_page`] | a login page's WebSocket connection, without the page |
//! | [`cookie_browser`] | a browser with cookies, for the pages of compatible routes |
//! | `chromium` | a real browser (feature `chromium`) |
//! | [`raw_websocket`] | a WebSocket client that can break every rule |
//! | [`slow_sender`] | a client that sends a byte at a time |

#[cfg(feature = "chromium")]
pub mod chromium;
pub mod cookie_browser;
pub mod login_page;
pub mod raw_websocket;
pub mod slow_sender;
