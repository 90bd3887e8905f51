//! The rules of WeChat's API; no I/O, the time is given.
//!
//! | module | what it is for |
//! |---|---|
//! | `tokens` | an account's access tokens |
//! | `qr` | QR codes with a scene |
//! | `quota` | how often something may be done |
//! | `refusal` | error answers |

pub(crate) mod qr;
pub(crate) mod quota;
pub(crate) mod refusal;
pub(crate) mod tokens;
