//! Our calls of WeChat's API.

mod access_token;
mod refusals;
