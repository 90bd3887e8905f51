//! A comparison as the report shows it. `compare` says what is in it.

use super::headline::{Headline, Tone};

/// What became better or worse between two runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparisonTable {
    pub(crate) headline: Headline,
    pub(crate) rows: Vec<ComparisonRow>,
    /// What a reader has to know of the comparison, one sentence each.
    pub(crate) notes: Vec<String>,
}

/// One metric of two runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ComparisonRow {
    pub(crate) metric: String,
    pub(crate) before: String,
    pub(crate) after: String,
    /// Such as `+12 %`.
    pub(crate) change: String,
    /// Between which changes the true one is; empty if it can't be told.
    pub(crate) interval: String,
    pub(crate) tone: ComparisonTone,
    /// In a word or two.
    pub(crate) words: String,
}

/// Whether a change is good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ComparisonTone {
    Better,
    Worse,
    Same,
    Unknown,
}

impl ComparisonRow {
    /// Its class in the page.
    pub(super) fn class(&self) -> &'static str {
        match self.tone {
            ComparisonTone::Better => Tone::Good.class(),
            ComparisonTone::Worse => Tone::Bad.class(),
            ComparisonTone::Same => "plain",
            ComparisonTone::Unknown => Tone::Unsure.class(),
        }
    }
}
