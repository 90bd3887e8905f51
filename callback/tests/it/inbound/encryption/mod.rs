//! Safe and compatible mode.

mod independent;
mod modes;
