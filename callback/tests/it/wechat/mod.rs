//! Our calls of WeChat's API.

mod access_token;
mod outbound;
mod refusals;
mod unanswered;
