//! The callback as WeChat's client.
//!
//! | module | what it is for |
//! |---|---|
//! | `client` | one call: sent, limited, counted, its answer told apart |
//! | `circuit` | calls that are not made, since WeChat has refused them in a way that lasts |
//! | `token` | the access token, one refresh at a time across pods |
//! | `calls` | an account's calls, with all of the above |
//! | `api`, `mini_program` | what is asked for an Official Account, and for a mini program |
//! | `sources` | where webhooks come from |

mod api;
mod calls;
mod circuit;
mod client;
mod mini_program;
mod sources;
mod token;

pub(crate) use api::{Api, QR_CODE};
pub(crate) use calls::Calls;
pub(crate) use circuit::Circuit;
pub(crate) use client::{CallError, Client};
pub(crate) use mini_program::MiniProgramApi;
pub(crate) use sources::{Source, Sources};
pub(crate) use token::{AccessToken, Credentials};
