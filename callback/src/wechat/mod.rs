//! The callback as WeChat's client.
//!
//! | module | what it is for |
//! |---|---|
//! | `client` | one call: sent, limited, counted, its answer told apart |
//! | `token` | the access token, one refresh at a time across pods |
//! | `api` | QR codes and user info, with the token |
//! | `sources` | where webhooks come from |

mod api;
mod client;
mod sources;
mod token;

pub(crate) use api::{Api, QR_CODE};
pub(crate) use client::{CallError, Client};
pub(crate) use sources::{Source, Sources};
pub(crate) use token::{AccessToken, Credentials};
