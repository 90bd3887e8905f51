//! The page's JavaScript. It is written as several modules and served as one: while a deployment
//! rolls, a page would get some of them from the old version and others from the new.

use std::sync::LazyLock;

const ENTRY: &str = include_str!("../web/scenecast.js");
/// What [`ENTRY`] imports.
const PARTS: [&str; 4] = [
    include_str!("../web/choice.js"),
    include_str!("../web/ending.js"),
    include_str!("../web/gateway.js"),
    include_str!("../web/transports.js"),
];

static MODULE: LazyLock<String> = LazyLock::new(|| {
    let parts = PARTS.iter().flat_map(|part| part.lines()).map(|line| line.strip_prefix("export ").unwrap_or(line));
    let lines = ENTRY.lines().chain(parts).filter(|line| !line.starts_with("import "));
    lines.fold(String::new(), |module, line| module + line + "\n")
});

/// `scenecast.js`, as pages import it.
pub fn page_module() -> &'static str {
    &MODULE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_imports_one_thing_and_the_module_nothing() {
        let exports: Vec<_> = page_module().lines().filter(|line| line.starts_with("export ")).collect();
        assert_eq!(exports, ["export function login(options) {"]);
        assert!(!page_module().lines().any(|line| line.starts_with("import ")));
    }
}
