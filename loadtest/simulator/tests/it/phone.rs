//! The phone as a web page.

use std::time::Duration;

use reqwest::{Response, StatusCode, header::ACCEPT_LANGUAGE};

use crate::{
    scripted_callback::Callback,
    world::{SimulatorWorld, text},
};

async fn body(response: Response) -> String {
    assert_eq!(response.status(), StatusCode::OK);
    response.text().await.unwrap()
}

/// Chooses this persona on the page of a new code, and presses "Scan".
async fn scan(world: &SimulatorWorld, persona: &str) -> String {
    let url = text(&world.create_qr("abc").await, "url");
    body(world.http.post(url).form(&[("person", persona)]).send().await.unwrap()).await
}

#[tokio::test]
async fn the_page_shows_the_account_and_the_personas() {
    let world = SimulatorWorld::with(|account| account.title = "Demo <Site>".to_owned()).await;
    let url = text(&world.create_qr("abc").await, "url");
    let page = body(world.get(&url).await).await;
    assert!(page.contains("<h1>Demo &#60;Site&#62;</h1>"), "{page}");
    for id in ["persona-ann", "persona-bo", "persona-chen", "persona-dora", "scan"] {
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
    assert_eq!((page.matches("follows this account").count(), page.matches("will begin to follow").count()), (2, 2));
}

#[tokio::test]
async fn the_page_is_in_chinese_for_a_chinese_browser() {
    let world = SimulatorWorld::new().await;
    let url = text(&world.create_qr("abc").await, "url");
    let page = body(world.http.get(url).header(ACCEPT_LANGUAGE, "zh-CN").send().await.unwrap()).await;
    assert!(page.contains("<html lang=\"zh-CN\">") && page.contains("扫一扫"));
}

#[tokio::test]
async fn scanning_shows_the_reply_with_markup_escaped() {
    let world = SimulatorWorld::calling(&Callback::replying("<b>hello</b>\n& welcome").await).await;
    let page = scan(&world, "dora").await;
    assert!(page.contains("id=\"reply\">&#60;b&#62;hello&#60;/b&#62;\n&#38; welcome</div>"), "{page}");
}

#[tokio::test]
async fn a_bad_answer_shows_wechats_notice_and_an_empty_one_shows_no_reply() {
    let bad = SimulatorWorld::calling(&Callback::saying("oops").await).await;
    let page = scan(&bad, "ann").await;
    assert!(page.contains("id=\"notice\">该公众号暂时无法提供服务，请稍后再试"), "{page}");
    let silent = SimulatorWorld::calling(&Callback::saying("success").await).await;
    assert!(scan(&silent, "ann").await.contains("id=\"silence\""));
}

#[tokio::test]
async fn the_page_says_that_a_code_is_unknown_or_has_expired() {
    let world = SimulatorWorld::new().await;
    assert_eq!(world.get("/q/made-up").await.status(), StatusCode::NOT_FOUND);
    let url = text(&world.create_qr("abc").await, "url");
    world.simulator.advance(Duration::from_secs(60));
    let page = world.get(&url).await;
    assert_eq!(page.status(), StatusCode::GONE);
    assert!(page.text().await.unwrap().contains("This QR code has expired"));
    let scanned = world.http.post(url).form(&[("person", "ann")]).send().await.unwrap();
    assert_eq!(scanned.status(), StatusCode::GONE);
}

#[tokio::test]
async fn the_chat_goes_on_until_the_user_unfollows() {
    let world = SimulatorWorld::calling(&Callback::replying("hello").await).await;
    let post = |action: &str, form: &[(&str, &str)]| world.http.post(world.url(action)).form(form).send();
    let page = body(post("/phone/demo/say", &[("person", "ann"), ("text", "<hi>")]).await.unwrap()).await;
    assert!(page.contains("id=\"said\">&#60;hi&#62;</p>") && page.contains("id=\"reply\">hello</div>"), "{page}");
    let page = body(post("/phone/demo/unfollow", &[("person", "ann")]).await.unwrap()).await;
    assert!(page.contains("id=\"left\""), "{page}");
    let refused = post("/phone/demo/say", &[("person", "ann"), ("text", "hi")]).await.unwrap();
    assert_eq!(refused.status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_link_in_a_reply_is_a_button_that_sends_its_text() {
    let reply = "Was it you?\n<a href=\"weixin://bizmsgmenu?msgmenucontent=yes&msgmenuid=1\">Yes <3</a> or \
                 <a href=\"https://example.com/?a&b\">look</a>";
    let callback = Callback::replying(reply).await;
    let world = SimulatorWorld::calling(&callback).await;
    let page = scan(&world, "ann").await;
    for part in [
        "id=\"reply\">Was it you?\n<button class=\"menu-link\" form=\"menu-2\">Yes &#60;3</button> or ",
        "<a href=\"https://example.com/?a&#38;b\" rel=\"noreferrer\">look</a></div>",
        "<form id=\"menu-2\" method=\"post\" action=\"/phone/demo/say\" hidden>",
        "name=\"text\" value=\"yes\"",
        "name=\"menu\" value=\"1\"",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    let form = [("person", "ann"), ("text", "yes"), ("menu", "1")];
    let page = body(world.http.post(world.url("/phone/demo/say")).form(&form).send().await.unwrap()).await;
    assert!(page.contains("id=\"said\">yes</p>"), "{page}");
    assert_eq!(callback.received()[1].element("bizmsgmenuid").as_deref(), Some("1"));
}

#[tokio::test]
async fn an_account_can_be_written_to_without_scanning() {
    let callback = Callback::replying("hello").await;
    let world = SimulatorWorld::calling(&callback).await;
    let page = body(world.get("/phone/demo").await).await;
    for part in ["id=\"persona-ann\"", "id=\"text\"", "id=\"send\"", "formaction=\"/phone/demo/follow\""] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert_eq!(page.matches("does not follow this account").count(), 2);

    let post = |action: &str, form: &[(&str, &str)]| world.http.post(world.url(action)).form(form).send();
    let refused = post("/phone/demo/say", &[("person", "chen"), ("text", "1234")]).await.unwrap();
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    let page = body(post("/phone/demo/follow", &[("person", "chen"), ("text", "")]).await.unwrap()).await;
    assert!(page.contains("id=\"reply\">hello</div>") && !page.contains("id=\"said\""), "{page}");
    let page = body(post("/phone/demo/say", &[("person", "chen"), ("text", "1234")]).await.unwrap()).await;
    assert!(page.contains("id=\"said\">1234</p>"), "{page}");
    assert_eq!(world.get("/phone/other").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn only_personas_can_use_the_phone() {
    let world = SimulatorWorld::new().await;
    let url = text(&world.create_qr("abc").await, "url");
    let refused = world.http.post(url).form(&[("person", "mallory")]).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
}
