//! What a sample configuration file shows.

/// The places of all settings in a sample file, such as `bus.url`; also of those that are commented out.
pub fn settings_in(sample: &str) -> Vec<String> {
    let mut section = String::new();
    let mut places = vec![];
    for line in sample.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name) {
            section = format!("{name}.");
        } else if let Some((name, _)) = line.split_once(" = ")
            && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        {
            places.push(format!("{section}{name}"));
        }
    }
    places
}
