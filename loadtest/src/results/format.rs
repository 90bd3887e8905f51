//! The name and the version of the format.

/// What the field `format` of every result says.
pub const FORMAT: &str = "scenecast-loadtest-result";
/// The version of the format that this program writes and reads.
pub const VERSION: u32 = 1;
