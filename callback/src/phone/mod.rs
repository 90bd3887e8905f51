//! What a phone is told, in whose words, and what people answer. No I/O.
//!
//! | module | what it is for |
//! |---|---|
//! | `phrase` | everything that can be said to a phone, and our own words for it |
//! | `texts` | an account's own words |
//! | `template` | texts with placeholders |
//! | `answer` | what people answer to a question, and links that send such an answer |
//! | `reply` | the reply to one message: a phrase, filled with what is known |
//! | `geo` | where in the world a page's address is, by a database of the operator |

mod answer;
mod geo;
mod phrase;
mod reply;
mod template;
mod texts;

pub(crate) use answer::LoginAnswer;
pub use geo::GeoDatabase;
pub use phrase::Phrase;
pub(crate) use reply::{Reply, ReplyFacts, ReplyWriter};
pub use texts::{TextError, Texts};
