//! The page's JavaScript. It is written as several modules and served as one. Otherwise, a page could get some of
//! them from an old pod and others from a new one while a deployment rolls.
//!
//! The same modules are the npm package `@scenecast/browser`, whose entries and tests are beside them.
//!
//! See docs/decisions/062-the-page-trusts-no-clock-that-can-be-set.md,
//! docs/decisions/131-the-package-has-to-be-told-its-gateway.md, and
//! docs/decisions/132-a-page-shares-one-login-by-its-options.md.

use std::sync::LazyLock;

const ENTRY: &str = include_str!("../../web/scenecast.js");
/// The modules that [`ENTRY`] imports.
const PARTS: [&str; 16] = [
    include_str!("../../web/attempt.js"),
    include_str!("../../web/connection_end.js"),
    include_str!("../../web/details.js"),
    include_str!("../../web/gateway.js"),
    include_str!("../../web/kept_scene.js"),
    include_str!("../../web/messages.js"),
    include_str!("../../web/options.js"),
    include_str!("../../web/page.js"),
    include_str!("../../web/page_timer.js"),
    include_str!("../../web/patience.js"),
    include_str!("../../web/poll_transport.js"),
    include_str!("../../web/reconnection.js"),
    include_str!("../../web/socket_transport.js"),
    include_str!("../../web/stream_transport.js"),
    include_str!("../../web/transport_selector.js"),
    include_str!("../../web/transports.js"),
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
    fn the_module_exports_one_function_and_imports_nothing() {
        let exports: Vec<_> = page_module().lines().filter(|line| line.starts_with("export ")).collect();
        assert_eq!(exports, ["export function login(options) {"]);
        assert!(!page_module().lines().any(|line| line.starts_with("import ")));
    }

    /// Bundlers take `new URL(…, import.meta.url)` for a file, and a build without that file fails.
    #[test]
    fn the_module_has_no_address_that_a_bundler_takes_for_a_file() {
        let places: Vec<_> = page_module().lines().filter(|line| line.contains("import.meta")).collect();
        let code: Vec<_> = places.iter().filter(|line| !line.starts_with("/**")).collect();
        assert_eq!(code, [&"const MODULE_ADDRESS = import.meta.url;"]);
    }
}
