//! Pages that were written for other servers, with two gateways and two callbacks.
//!
//! | module | what it is for |
//! |---|---|
//! | `page` | the requests of each kind of page, without a browser |
//! | `phone` | the phone that scans or types a page's code |
//! | `matrix` | every kind of page in every encryption mode |
//! | `faults` | what can go wrong |
//! | `site` | what the site's backend gets |
//! | `pages` | the pages themselves in a real browser |

mod faults;
mod matrix;
mod page;
mod pages;
mod phone;
mod site;

use std::time::Duration;

use scenecast_browsers::cookie_browser::{CookieBrowser, PageSocket, ServerEvents, SocketMessage};
use scenecast_loadtest::cluster::{API_KEY, Cluster, MINI_API_KEY, Setup, metric};
use scenecast_simulator::{ActionError, EncryptionMode, PhoneAction, PhoneScreen, WeChatUser, read_code, read_drawn};
use scenecast_testing::until;
use serde_json::{Value, json};

use super::cluster::{LOGGED_IN, metric_becomes, within};
use page::{CompatiblePage, Flow};
use phone::{Done, Phone, Shown};

/// Two gateways and two callbacks.
async fn cluster() -> Cluster {
    Cluster::start(2, 2).await
}
