//! The commands that stores send, for the check of a pod's Redis user.

/// What is before the first colon in the names that a pod's stores use.
#[derive(Debug, Clone, Copy)]
pub struct StoredNames<'a> {
    /// In the names of values.
    pub values: &'a [&'a str],
    /// In the names of streams.
    pub streams: &'a [&'a str],
}

/// The commands, with arguments as the stores send them, also those in scripts.
pub(crate) fn commands(names: StoredNames<'_>) -> Vec<String> {
    let of_values = names.values.iter().flat_map(|name| {
        [
            format!("get {name}:x"),
            format!("set {name}:x value"),
            format!("del {name}:x"),
            format!("incr {name}:x"),
            format!("pexpire {name}:x 0"),
        ]
    });
    let of_streams = names.streams.iter().flat_map(|stream| {
        [
            format!("xgroup create {stream}:x group $"),
            format!("xadd {stream}:x * letter text"),
            format!("xlen {stream}:x"),
            format!("xreadgroup group group pod STREAMS {stream}:x >"),
            format!("xpending {stream}:x group"),
            format!("xclaim {stream}:x group pod 0 0-1"),
            format!("xack {stream}:x group 0-1"),
            format!("xdel {stream}:x 0-1"),
        ]
    });
    of_values.chain(of_streams).collect()
}
