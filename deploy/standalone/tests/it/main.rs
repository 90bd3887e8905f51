//! Scenecast in one process, as its users meet it.

mod browser;
mod compatible;
