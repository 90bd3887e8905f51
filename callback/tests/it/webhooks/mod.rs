//! What sites are told without asking.

mod bad_sites;
mod deliver;
mod fixture;
mod proxy;
mod rollout;

pub(crate) use fixture::Backend;
