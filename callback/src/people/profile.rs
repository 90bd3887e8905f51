//! How a person is shown on the page. WeChat has told neither name nor avatar since 2021-12-27, so most people get a
//! generated one. No I/O.

use base64::{Engine, engine::general_purpose::STANDARD};
use scenecast_scene::{Language, OpenId, Profile};
use scenecast_wechat::UserInfo;
use sha2::{Digest, Sha256};
use url::Url;

use crate::{
    stores::User,
    visible_text::{beginning, visible},
};

/// WeChat's own names and addresses of avatars are shorter. A name counts in characters as people see them.
const LONGEST_NAME: usize = 64;
const LONGEST_NAME_BYTES: usize = 512;
const LONGEST_AVATAR: usize = 512;

/// How this person is shown: as WeChat tells, or generated. It is the same at each login.
pub(crate) fn profile(openid: &OpenId, info: &UserInfo, language: Language) -> Profile {
    // The page must not see the openid. It may see a digest of it.
    let digest = Sha256::new().chain_update(b"profile").chain_update(openid.as_str()).finalize();
    let name = name(&info.nickname).unwrap_or_else(|| {
        let word = match language {
            Language::Zh => "微信用户",
            Language::En => "WeChat user ",
        };
        format!("{word}{}", hex::encode_upper(&digest[..2]))
    });
    let avatar = avatar(&info.headimgurl).unwrap_or_else(|| draw_avatar(&name, digest[2]));
    Profile { name, avatar }
}

/// How this person is shown, by what WeChat told before and we have stored.
pub(crate) fn stored_profile(openid: &OpenId, user: Option<&User>, language: Language) -> Profile {
    let info = user.and_then(|user| user.wechat_profile.as_ref()).map(|stored| UserInfo {
        nickname: stored.profile.name.clone(),
        headimgurl: stored.profile.avatar.clone(),
        ..UserInfo::default()
    });
    profile(openid, &info.unwrap_or_default(), language)
}

fn name(told: &str) -> Option<String> {
    let name = visible(told);
    let name = beginning(&name, LONGEST_NAME, LONGEST_NAME_BYTES).trim_end();
    (!name.is_empty()).then(|| name.to_owned())
}

/// An address that a page of any site may load: `https:`, and a public name. WeChat's own pictures still have `http:`
/// addresses, and WeChat also serves them by `https:`.
fn avatar(told: &str) -> Option<String> {
    let is_harmless = |b: u8| b.is_ascii_graphic() && !b"\"'<>\\`".contains(&b);
    if told.len() > LONGEST_AVATAR || !told.bytes().all(is_harmless) {
        return None;
    }
    let mut url = Url::parse(told).ok()?;
    let host = url.domain()?;
    let is_public = host.contains('.') && !host.ends_with('.') && url.username().is_empty() && url.password().is_none();
    if url.scheme() == "http" && host.ends_with(".qlogo.cn") {
        url.set_scheme("https").ok()?;
    }
    (url.scheme() == "https" && url.port().is_none() && is_public).then(|| url.into())
}

/// A picture of the name's first letter on a colour.
fn draw_avatar(name: &str, colour: u8) -> String {
    // Letters and digits need no escaping in XML.
    let initial = name.chars().find(|c| c.is_alphanumeric()).unwrap_or('?');
    let hue = u32::from(colour) * 360 / 256;
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 8 8\"><rect width=\"8\" height=\"8\" \
         fill=\"hsl({hue},45%,40%)\"/><text x=\"4\" y=\"5.5\" font-size=\"4\" font-family=\"sans-serif\" \
         text-anchor=\"middle\" fill=\"#fff\">{initial}</text></svg>"
    );
    format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(nickname: &str, headimgurl: &str) -> Profile {
        let info = UserInfo { nickname: nickname.into(), headimgurl: headimgurl.into(), ..UserInfo::default() };
        profile(&"oAnn".parse().unwrap(), &info, Language::Zh)
    }

    fn picture(profile: &Profile) -> String {
        let picture = profile.avatar.strip_prefix("data:image/svg+xml;base64,").unwrap();
        String::from_utf8(STANDARD.decode(picture).unwrap()).unwrap()
    }

    #[test]
    fn every_colour_can_be_drawn() {
        let pictures: std::collections::BTreeSet<_> = (0..=255).map(|colour| draw_avatar("Ann", colour)).collect();
        assert!(pictures.len() > 200, "{}", pictures.len());
    }

    #[test]
    fn a_person_without_a_name_gets_the_same_name_and_picture_each_time() {
        let first = shown("", "");
        assert!(first.name.starts_with("微信用户"), "{}", first.name);
        assert_eq!(first.name.chars().count(), 8);
        assert_eq!(first, shown(" \u{0} ", ""));
        assert!(picture(&first).contains(">微</text>"));
        let english = profile(&"oAnn".parse().unwrap(), &UserInfo::default(), Language::En);
        assert!(english.name.starts_with("WeChat user "), "{}", english.name);
    }

    #[test]
    fn a_generated_profile_does_not_show_the_openid() {
        let shown = shown("", "");
        assert!(!shown.name.contains("Ann") && !picture(&shown).contains("Ann"));
        let other = profile(&"oBob".parse().unwrap(), &UserInfo::default(), Language::Zh);
        assert_ne!(shown.name, other.name);
    }

    #[test]
    fn what_wechat_tells_is_shown() {
        let told = shown("安 😀", "http://thx.qlogo.cn/mmopen/x/132");
        assert_eq!(told, Profile { name: "安 😀".into(), avatar: "https://thx.qlogo.cn/mmopen/x/132".into() });
        assert_eq!(shown(&"长".repeat(100), "").name.chars().count(), LONGEST_NAME);
        let family = "👨\u{200d}👩\u{200d}👧";
        assert_eq!(shown(&family.repeat(100), "").name, family.repeat(LONGEST_NAME_BYTES / family.len()));
    }

    #[test]
    fn a_name_that_people_would_misread_is_made_visible_or_replaced() {
        let flood = |text: &str| text.repeat(1000);
        for (nickname, name) in [
            ("Ann\u{202e}nimdA", "AnnnimdA"),
            ("A\u{200b}nn\u{e0041}\u{2066}", "Ann"),
            ("Ann\nSite: bank", "Ann Site: bank"),
            (&format!("Ann{}", flood("\u{301}")), "Ann\u{301}\u{301}\u{301}\u{301}"),
            (&format!("Ann{}Bo", flood(" \u{3000}")), "Ann Bo"),
        ] {
            assert_eq!(shown(nickname, "").name, name, "{nickname:.20?}");
        }
        let invisible = ["\u{200b}\u{202e}", "\u{3164}", "\u{2800}\u{2800}", &flood("\u{301}"), &flood("😀\u{200d}")];
        for nickname in invisible {
            assert_eq!(shown(nickname, ""), shown("", ""), "{nickname:.20?}");
        }
    }

    #[test]
    fn a_picture_is_drawn_if_the_avatar_is_no_plain_web_address() {
        for address in [
            "javascript:alert(1)",
            "data:text/html,x",
            "https://",
            "//a.cn/x",
            "http://a.cn/x",
            "http://qlogo.cn.evil/x",
            "https://a.cn/\"onload=",
            "https://a.cn/ x",
            "https://a.cn/é",
            "https://wx.qlogo.cn@evil.cn/x",
            "https://ann:pw@a.cn/x",
            "https://a.cn:8443/x",
            "https://127.0.0.1/x",
            "https://[::1]/x",
            "https://0x7f.1/x",
            "https://localhost/x",
            "https://router/x",
            "http://evil.cn#.qlogo.cn/x",
            "http://evil.cn?.qlogo.cn",
            "http://evil.cn\\.qlogo.cn/x",
            "ftp://a.cn/x",
            &format!("https://a.cn/{}", "x".repeat(600)),
        ] {
            assert!(shown("Ann", address).avatar.starts_with("data:image/svg+xml;"), "{address}");
        }
    }

    #[test]
    fn no_name_breaks_the_picture() {
        for (name, initial) in [("<b>", "b"), ("&amp;", "a"), ("!!", "?"), ("\"x", "x"), ("🙂安", "安")] {
            assert!(picture(&shown(name, "")).contains(&format!(">{initial}</text>")), "{name}");
        }
    }
}
