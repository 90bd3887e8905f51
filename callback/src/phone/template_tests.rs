//! How texts with placeholders are filled, and which values are made harmless.

use strum::VariantArray;

use super::*;

fn parse(text: &str) -> Result<Template, TemplateError> {
    Template::parse(text, Placeholder::VARIANTS)
}

fn fill(text: &str, values: &[(Placeholder, &str)]) -> Option<String> {
    parse(text).unwrap().fill(|wanted| {
        let found = values.iter().find(|(open, _)| *open == wanted);
        found.map(|(_, value)| (*value).to_owned())
    })
}

const NAME: Placeholder = Placeholder::Name;

#[test]
fn placeholders_are_filled_and_doubled_braces_are_braces() {
    let values = [(NAME, "安"), (Placeholder::Logins, "7")];
    assert_eq!(fill("{name}，登录成功！\n第{logins}次", &values).unwrap(), "安，登录成功！\n第7次");
    assert_eq!(fill("{{name}} {{{name}}} }}{{", &values).unwrap(), "{name} {安} }{");
    assert_eq!(fill("  no placeholders\r\nat all \n", &values).unwrap(), "no placeholders\nat all");
}

#[test]
fn a_line_with_a_placeholder_without_a_value_is_left_out() {
    let text = "Site: {site}\nPlace: {place} ({address})\nBrowser: {browser}";
    assert_eq!(fill(text, &[(Placeholder::Site, "shop"), (Placeholder::Place, "Rome")]).unwrap(), "Site: shop");
    assert_eq!(fill(text, &[(Placeholder::Site, " \u{0} ")]), None, "blank is not known");
    assert_eq!(fill(text, &[]), None);
}

#[test]
fn a_text_that_cannot_be_used_says_why() {
    for (text, why) in [
        ("", TemplateError::Empty),
        (" \n\t", TemplateError::Empty),
        ("{nmae}", TemplateError::Unknown("nmae".into())),
        ("{ name }", TemplateError::Unknown(" name ".into())),
        ("{}", TemplateError::Unknown(String::new())),
        ("a { b", TemplateError::Brace),
        ("a } b", TemplateError::Brace),
        ("{name}}", TemplateError::Brace),
        ("{na\nme}", TemplateError::Brace),
        (&"好".repeat(683), TemplateError::TooLong(2049)),
        (&format!("{{name}}{}", "x".repeat(1921)), TemplateError::TooLong(2049)),
    ] {
        assert_eq!(parse(text), Err(why), "{text:.40}");
    }
    assert_eq!(Template::parse("{logins}", &[NAME]), Err(TemplateError::NotAvailable(Placeholder::Logins)));
    assert!(parse(&"x".repeat(2048)).is_ok());
}

#[test]
fn a_value_forges_neither_a_line_nor_a_link() {
    for (value, shown) in [
        ("a\nSite: bank\r", "a Site: bank"),
        ("<a href=\"weixin://x\">yes</a>", "＜a href=\"weixin://x\"＞yes＜/a＞"),
        ("ab\u{202e}cd\u{2066}\u{200f}\u{61c}", "abcd"),
        ("{site} ]]> 😀", "{site} ]]＞ 😀"),
        ("a\u{2028}b\u{0}", "a b"),
    ] {
        assert_eq!(fill("{name}", &[(NAME, value)]).unwrap(), shown);
    }
}

#[test]
fn a_long_value_is_cut_between_characters() {
    for value in ["x".repeat(200), "好".repeat(60), "😀".repeat(60), format!("a{}", "😀".repeat(60))] {
        let shown = fill("{name}", &[(NAME, &value)]).unwrap();
        assert!(shown.len() <= MAX_VALUE_BYTES && shown.ends_with(ELLIPSIS), "{shown}");
        assert!(value.starts_with(shown.trim_end_matches(ELLIPSIS)));
    }
    let fits = "x".repeat(MAX_VALUE_BYTES);
    assert_eq!(fill("{name}", &[(NAME, &fits)]).unwrap(), fits);
}

#[test]
fn no_value_makes_a_text_longer_than_wechat_shows() {
    let text = format!("{{name}}{{site}}\n{{browser}}{}", "x".repeat(2048 - 3 * MAX_VALUE_BYTES - 1));
    let long = "x".repeat(10_000);
    let values = [(NAME, &*long), (Placeholder::Site, &long), (Placeholder::Browser, &long)];
    assert_eq!(fill(&text, &values).unwrap().len(), 2048);
}

#[test]
fn any_text_becomes_what_wechat_shows_or_is_refused() {
    bolero::check!().with_type().for_each(|(text, value): &(String, String)| {
        for text in [text.clone(), format!("{{name}}{text}"), text.replace(['{', '}'], "{site}")] {
            let Ok(template) = parse(&text) else { continue };
            // The links are ours.
            let is_chosen = |open| !matches!(open, Placeholder::Confirm | Placeholder::Decline | Placeholder::Choices);
            let said = template.fill(|open| is_chosen(open).then(|| value.clone()));
            assert!(said.is_none_or(|said| !said.is_empty() && said.len() <= MAX_TEXT_BYTES), "{text}");
        }
    });
}

#[test]
fn no_value_forges_a_line_or_a_link() {
    bolero::check!().with_type().for_each(|value: &String| {
        let said = fill("-{name}-", &[(NAME, value)]).unwrap_or_default();
        assert!(said.len() <= MAX_VALUE_BYTES + 2 && !said.contains(['<', '>']) && !said.contains(char::is_control));
    });
}
