//! The API for the site's backend.

mod lost_login;
mod redeem;
mod users;
