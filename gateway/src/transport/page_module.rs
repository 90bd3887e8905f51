//! The page's JavaScript. It is written as several modules, and served as two: `scenecast.js`, and
//! `scenecast-login.js`, which has the login box, too. Otherwise, a page could get some of them from an old pod and others
//! from a new one while a deployment rolls.
//!
//! The same modules are the npm package `@scenecast/browser`, whose entries and tests are beside them.
//!
//! See docs/decisions/062-the-page-trusts-no-clock-that-can-be-set.md,
//! docs/decisions/131-the-package-has-to-be-told-its-gateway.md, and
//! docs/decisions/132-a-page-shares-one-login-by-its-options.md.

use std::sync::LazyLock;

/// A module under `gateway/web`.
macro_rules! module {
    ($path:literal) => {
        include_str!(concat!("../../web/", $path))
    };
}

const LOGIN_ENTRY: &str = module!("scenecast.js");
const BOX_ENTRY: &str = module!("scenecast-login.js");
/// The modules that [`LOGIN_ENTRY`] imports.
const LOGIN_PARTS: [&str; 16] = [
    module!("attempt.js"),
    module!("connection_end.js"),
    module!("details.js"),
    module!("gateway.js"),
    module!("kept_scene.js"),
    module!("messages.js"),
    module!("options.js"),
    module!("page.js"),
    module!("page_timer.js"),
    module!("patience.js"),
    module!("poll_transport.js"),
    module!("reconnection.js"),
    module!("socket_transport.js"),
    module!("stream_transport.js"),
    module!("transport_selector.js"),
    module!("transports.js"),
];
/// Those that [`BOX_ENTRY`] imports, too. Each comes after those that it needs when it is loaded.
const BOX_PARTS: [&str; 8] = [
    module!("login/login_state.js"),
    module!("login/shared_login.js"),
    module!("element/attributes.js"),
    module!("element/texts.js"),
    module!("element/views.js"),
    module!("element/style.js"),
    module!("element/box.js"),
    module!("element/login_element.js"),
];

static LOGIN_MODULE: LazyLock<String> = LazyLock::new(|| one_module(&LOGIN_PARTS, LOGIN_ENTRY));
static BOX_MODULE: LazyLock<String> = LazyLock::new(|| {
    let parts: Vec<_> = LOGIN_PARTS.into_iter().chain([LOGIN_ENTRY]).chain(BOX_PARTS).collect();
    one_module(&parts, BOX_ENTRY)
});

/// `scenecast.js`, as pages import it.
pub fn page_module() -> &'static str {
    &LOGIN_MODULE
}

/// `scenecast-login.js`, which defines `<scenecast-login>`.
pub fn login_box_module() -> &'static str {
    &BOX_MODULE
}

/// Several modules as one, which exports what `entry` exports.
fn one_module(parts: &[&str], entry: &str) -> String {
    let own = parts.iter().flat_map(|part| part.lines()).map(|line| line.strip_prefix("export ").unwrap_or(line));
    let lines = own.chain(entry.lines()).filter(|line| !line.starts_with("import "));
    lines.fold(String::new(), |module, line| module + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modules_export_what_pages_use_and_import_nothing() {
        for (module, exported) in [
            (page_module(), "export function login(options) {"),
            (login_box_module(), "export { LoginElement, login };"),
        ] {
            let exports: Vec<_> = module.lines().filter(|line| line.starts_with("export ")).collect();
            assert_eq!(exports, [exported]);
            assert!(!module.lines().any(|line| line.starts_with("import ")));
        }
    }

    /// Bundlers take `new URL(…, import.meta.url)` for a file, and a build without that file fails.
    #[test]
    fn the_modules_have_no_address_that_a_bundler_takes_for_a_file() {
        for module in [page_module(), login_box_module()] {
            let places: Vec<_> = module.lines().filter(|line| line.contains("import.meta")).collect();
            let code: Vec<_> = places.iter().filter(|line| !line.starts_with("/**")).collect();
            assert_eq!(code, [&"const MODULE_ADDRESS = import.meta.url;"]);
        }
    }
}
