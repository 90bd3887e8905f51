//! The login page and the page's JavaScript, in a headless Chromium.

mod demo_page;
mod fallback;
mod login_page;
mod page_module;
mod proxy;
mod relay;
mod scripted_gateway;
