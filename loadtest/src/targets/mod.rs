//! What a run may be aimed at. Ours and its peers are behind one trait, so that all are measured alike.
//!
//! | module | what it is for |
//! |---|---|
//! | `ours` | Scenecast |
//! | `target` | the trait: open a page, trigger it, redeem what it got |
//! | `page_news` | what a page has heard, for whoever waits for it |
//! | `timer` | wakes tasks to some ten microseconds |
//! | `source` | connections from many source addresses |
//! | [`peers`] | servers that people use in our place |

mod ours;
mod page_news;
pub mod peers;
mod source;
mod target;
mod timer;

pub use ours::{CodeMaker, CompatiblePlaces, ScenecastPage, ScenecastSetup, ScenecastTarget, ShownLoginCode};
pub use page_news::{PageEnd, PageNews, PageOrder};
pub use source::{SourceAddresses, connect};
pub use target::{EXHAUSTED, Heard, LoginTarget, OpenedPage, PageError, Seat, TargetPage, Triggered};
pub use timer::PreciseTimer;
