//! When people come, and what they do on their phones.

use serde::{Deserialize, Serialize};

/// How planned instants are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Evenly.
    Uniform,
    /// As people come who know nothing of each other.
    Poisson,
}

/// What a person does on the phone; the setting `confirmation` of the account has to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum PhoneSteps {
    /// The scan logs in.
    None,
    /// Scans, and then taps yes.
    Tap,
    /// Scans, and then picks the number that the page shows.
    Number,
}

impl PhoneSteps {
    /// The value of the setting `confirmation`.
    pub fn setting(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tap => "tap",
            Self::Number => "number",
        }
    }
}

/// How long a person looks at a question before the answer: anything between the two, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ThinkTime {
    pub from: f64,
    pub to: f64,
}

impl ThinkTime {
    /// People answer at once.
    pub const NONE: Self = Self { from: 0.0, to: 0.0 };
}
