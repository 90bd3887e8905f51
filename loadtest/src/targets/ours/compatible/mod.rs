//! Pages of the compatible routes: they were written for other servers, and speak those servers' formats.
//!
//! | module | what it is for |
//! |---|---|
//! | `page` | a page of any of these kinds: opens, waits, comes back |
//! | `said` | what the texts of each kind of route mean; no I/O |
//! | `browser` | requests with cookies, over a bare socket |
//!
//! Imports point downwards in this table.
//!
//! See docs/decisions/109-compatible-pages-of-runs-are-bare-sockets-too.md.

mod browser;
mod page;
mod said;

pub(super) use page::BareCompatiblePage;
