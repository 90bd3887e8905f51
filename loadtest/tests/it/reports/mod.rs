//! The commands `report` and `compare`, and their HTML in a browser.

mod command;
mod page;
