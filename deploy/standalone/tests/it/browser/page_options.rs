//! The options of `login()`: what can be understood is understood, and all the rest is named before anything connects.

use serde_json::{Value, json};

use super::scripted_gateway::{next_event, scripted_page};

#[tokio::test]
async fn options_that_cant_be_used_are_named_before_the_page_connects() {
    let (browser, mut gateway) = scripted_page().await;
    for (options, named) in [
        ("", "login() takes an object"),
        ("null", "login() takes an object"),
        ("'demo'", "login() takes an object"),
        ("{}", "account is missing"),
        ("{ account: '' }", "account is missing"),
        ("{ account: 7 }", "account has to be a string, and is a number"),
        ("{ account: 'Demo!' }", "account has to be 1 to 32"),
        ("{ account: 'demo', state: '' }", "state is empty"),
        ("{ account: 'demo', state: 'x'.repeat(257) }", "state has 257 bytes, and may have 256"),
        ("{ account: 'demo', state: '你'.repeat(86) }", "state has 258 bytes, and may have 256"),
        ("{ account: 'demo', state: '\\ud83d' }", "half of a character"),
        ("{ account: 'demo', state: 2 ** 60 }", "state has to be a string, and is 11529"),
        ("{ account: 'demo', state: { id: 1 } }", "state has to be a string, and is a object"),
        ("{ account: 'demo', locale: 'Chinese (simplified)' }", "locale has to be"),
        ("{ account: 'demo', locale: 7 }", "locale has to be"),
        ("{ account: 'demo', gateway: 'gateway.example.com' }", "gateway has to be an address"),
        ("{ account: 'demo', gateway: 'localhost:8080' }", "gateway has to be an address"),
        ("{ account: 'demo', gateway: 'ftp://x' }", "gateway has to be an address"),
        ("{ account: 'demo', gateway: {} }", "gateway has to be an address"),
        ("{ account: 'demo', keepOnReload: 'no' }", "keepOnReload has to be true or false"),
        ("{ account: 'x y', state: '' }", "account has to be 1 to 32 of a-z, 0-9 and -; state is empty"),
    ] {
        browser.run(&format!("startWith({options})")).await;
        let (event, detail) = next_event(&browser).await;
        assert_eq!((event.as_str(), &detail["code"]), ("problem", &json!("option_invalid")), "{options}");
        assert!(detail["detail"].as_str().is_some_and(|detail| detail.contains(named)), "{options}: {detail}");
    }
    browser.run("attempt.renew()").await;
    assert_eq!(next_event(&browser).await.0, "problem", "another try changes nothing");
    assert!(!gateway.has_connection());
}

#[tokio::test]
async fn what_can_be_understood_of_options_is_understood() {
    let (browser, mut gateway) = scripted_page().await;
    let open = |state: Value, locale: &str| json!({ "open": { "account": "demo", "state": state, "locale": locale } });
    // A page whose connection is dropped comes back.
    let mut held = Vec::new();
    for (options, first) in [
        ("locale: 'zh_CN', state: 'a'", open(json!("a"), "zh-CN")),
        ("locale: 'zh_CN.UTF-8', state: 42", open(json!("42"), "zh-CN")),
        ("locale: new Intl.Locale('zh-CN'), state: 2n ** 64n", open(json!("18446744073709551616"), "zh-CN")),
        ("locale: null, state: '你'.repeat(85)", open(json!("你".repeat(85)), "en-US")),
        ("locale: '', state: 'a', gateway: ''", open(json!("a"), "en-US")),
        ("state: 'a', gateway: '/behind/a/proxy'", open(json!("a"), "en-US")),
        ("state: 'a', gateway: './behind/a/proxy//'", open(json!("a"), "en-US")),
        ("state: 'a', gateway: new URL('/behind/a/proxy?x=1#y', location)", open(json!("a"), "en-US")),
        ("state: 'a', gateway: `ws://${location.host}`", open(json!("a"), "en-US")),
        ("state: 'a', gateway: `//${location.host}/`", open(json!("a"), "en-US")),
        ("state: 'a', gateway: null, keepOnReload: null", open(json!("a"), "en-US")),
    ] {
        browser.run(&format!("startWith({{ account: 'demo', {options} }})")).await;
        held.push(gateway.connection().await);
        assert_eq!(held.last().map(|connection| &connection.first), Some(&first), "{options}");
    }
    browser.run("startWith({ account: 'demo', state: null })").await;
    assert_eq!(gateway.connection().await.first, json!({ "open": { "account": "demo", "locale": "en-US" } }));
}

#[tokio::test]
async fn an_option_that_does_not_exist_is_named_and_left_out() {
    let (browser, mut gateway) = scripted_page().await;
    let keep = "window.warned = []; console.warn = (...words) => warned.push(words.join(' '));";
    browser.run(&format!("{keep} startWith({{ account: 'demo', state: 'a', keeponreload: true }})")).await;
    assert_eq!(
        gateway.connection().await.first,
        json!({ "open": { "account": "demo", "state": "a", "locale": "en-US" } })
    );
    let warned = browser.run("return warned[0]").await;
    assert!(warned.as_str().is_some_and(|warned| warned.contains("no option keeponreload")), "{warned}");
}

/// A bundler moves the module's text to an address of the site, or makes it a part of another script.
#[tokio::test]
async fn a_module_that_was_bundled_has_to_be_told_the_gateway() {
    let (browser, mut gateway) = scripted_page().await;
    let events = "for (const type of ['problem', 'opened']) \
                    attempt.addEventListener(type, ({ detail }) => { window.got = detail; });";
    let bundled = "const text = await (await fetch('/v1/scenecast.js')).text(); \
                   const { login } = await import(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })));";
    let run = async |options: &str| {
        let script =
            format!("(async () => {{ {bundled} const attempt = login({options}); {events} }})().then(() => done())");
        browser.run_async(&script).await;
    };
    run("{ account: 'demo' }").await;
    let problem = browser.run("return got").await;
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("gateway is missing")), "{problem}");
    run("{ account: 'demo', gateway: location.origin }").await;
    assert_eq!(gateway.connection().await.first["open"]["account"], "demo");
}

/// A server that renders pages has no document either.
#[tokio::test]
async fn the_module_can_be_loaded_where_there_is_no_document() {
    let (browser, _gateway) = scripted_page().await;
    let loaded = browser
        .run_async(
            "const worker = `import('${location.origin}/v1/scenecast.js')\
               .then(({ login }) => postMessage(typeof login), (error) => postMessage(String(error)))`;
             const address = URL.createObjectURL(new Blob([worker], { type: 'text/javascript' }));
             new Worker(address, { type: 'module' }).onmessage = ({ data }) => done(data);",
        )
        .await;
    assert_eq!(loaded, "function");
}
