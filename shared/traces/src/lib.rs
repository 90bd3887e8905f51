//! The spans of a login, by OpenTelemetry's semantic conventions. Nothing in them says who logs in.
//!
//! ```text
//! POST /internal/scenes/open     CLIENT    the gateway has a scene opened
//! └ POST /internal/scenes/open   SERVER    a callback opens it
//!   └ EVALSHA open               CLIENT
//!
//! POST /wechat/{account}         SERVER    WeChat's message; a link leads to the span that opened the scene
//! ├ send wx:{scene}              PRODUCER  what it changes, and tells the page
//! │ ├ EVALSHA settle             CLIENT
//! │ └ process wx:{scene}         CONSUMER  the gateway sends the page its frame
//! └ POST /v1/redeem              SERVER    the site's backend redeems the grant
//! ```
//!
//! See docs/decisions/123-a-login-is-traced-as-a-whole.md.

mod context;
mod conventions;
mod sampling;
mod span;

pub use conventions::ServedRequest;
pub use sampling::set_share;
pub use span::LoginSpan;
