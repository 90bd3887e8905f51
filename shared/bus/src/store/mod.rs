//! Primitives on which stores stand: values under names, and streams; over Redis or inside one process.

pub(crate) mod key_value;
mod memory;
pub(crate) mod rights;
mod streams;
