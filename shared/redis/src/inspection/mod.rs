//! Looks at each primary: what could lose logins, and what our user may not do.
//!
//! `each_connection` runs an inspection whenever a primary is connected to, so a new primary after a failover is
//! inspected, too. `settings` warns about a configuration that can lose scenes; `clock` compares clocks; `rights` checks
//! what our user may do; `one_server` looks whether an address leads to one primary;
//! `refusals` counts what Redis refuses all the same; `losses` knows who may have lost keys,
//! and `server_run` tells one run of a server from the next. `shared_question` is one
//! question for many that ask at a time. `series` is a metric's value about one primary.

pub(crate) mod clock;
pub(crate) mod each_connection;
pub(crate) mod losses;
mod one_server;
pub(crate) mod refusals;
pub(crate) mod rights;
mod series;
pub(crate) mod server_run;
pub(crate) mod settings;
pub(crate) mod shared_question;
