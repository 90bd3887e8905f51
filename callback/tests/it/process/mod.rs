//! The process: its binary, its configuration file, and hostile requests on all of its routes.

mod binary;
mod hostile;
mod reload;
