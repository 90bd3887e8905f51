//! The login page and the page's JavaScript, in a headless Chromium.

mod login_page;
mod page_module;
mod relay;
mod scripted_gateway;
