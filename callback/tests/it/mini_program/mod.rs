//! The calls of mini programs.

mod hostile;
mod login;
mod page;
