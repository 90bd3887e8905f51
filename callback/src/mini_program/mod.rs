//! `/v1/miniapp`: the calls of a mini program's login page, on the phone of the person who opened its code.
//!
//! | module | what it is for |
//! |---|---|
//! | `routes`, `state` | the routes, and what they need |
//! | `scan` | the person opened the page: who they are, and what the phone shows about the login |
//! | `confirm` | the person says yes or no |
//! | `sender` | who sent a `js_code` |
//! | `ticket` | what ties the answer to the scan |
//! | `error` | why a call does nothing |
//! | `record` | the person's record, and what is stored after the login |

mod confirm;
mod error;
mod record;
mod routes;
mod scan;
mod sender;
mod state;
mod ticket;

pub(crate) use routes::router;
pub(crate) use state::MiniProgramState;
