//! The login page and the page's JavaScript, in a headless Chromium.

mod bare_page;
mod broken_browsers;
mod dead_connections;
mod demo_page;
mod fallback;
mod login_page;
mod origins;
mod outages;
mod page_clock;
mod page_module;
mod page_options;
mod proxy;
mod relay;
mod reloads;
mod scripted_gateway;
