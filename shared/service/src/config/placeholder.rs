//! Values that nobody has put in yet: `${PASSWORD}`, `<your key>`, `CHANGE_ME`. A secret like that would work, and
//! everybody would know it. No I/O.

/// Whether a text is one of them.
pub(super) fn is_placeholder(text: &str) -> bool {
    is_stand_in(text) || has_marked_name(text) || is_reference(text) || asks_to_be_changed(text)
}

/// Whether the text is a variable of a shell or a template, such as `$NAME`, or nothing but dots, crosses or stars.
fn is_stand_in(text: &str) -> bool {
    let text = text.trim();
    let is_filler = |c| matches!(c, '…' | '.' | '*' | 'x' | 'X' | '?' | '-' | '_');
    // A shell's variable has capitals. A random secret may be a `$` and some letters.
    let has_no_small_letter = |name: &str| !name.contains(|c: char| c.is_ascii_lowercase());
    let is_variable = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let between =
        |mark: &str| text.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark)).is_some_and(is_variable);
    // A star alone is a wildcard, and each setting says for itself what it takes in place of one.
    let has_only_filler = !matches!(text, "" | "*") && text.chars().all(is_filler);
    has_only_filler
        || text.strip_prefix('$').is_some_and(|name| is_variable(name) && has_no_small_letter(name))
        || ["%", "@", "__"].into_iter().any(between)
}

/// Whether the text names a secret that a tool should have fetched or decrypted: `vault:…`, `ENC[…]`.
fn is_reference(text: &str) -> bool {
    let schemes = [
        "vault:",
        "ref+",
        "op://",
        "awssm://",
        "arn:aws:secretsmanager:",
        "azurekeyvault://",
        "gcp:secretmanager:",
        "sm://",
    ];
    let text = text.trim();
    schemes.iter().any(|scheme| text.starts_with(scheme)) || (text.starts_with("ENC[") && text.ends_with(']'))
}

/// Whether a name in the brackets of a template is anywhere in the text: `${NAME}`, `$(NAME)`, `{{ name }}`, `<name>`.
fn has_marked_name(text: &str) -> bool {
    let brackets = [("${", "}"), ("$(", ")"), ("#{", "}"), ("((", "))"), ("{{", "}}"), ("<%", "%>"), ("<", ">")];
    brackets.into_iter().any(|(open, close)| {
        text.match_indices(open).any(|(at, _)| {
            let inside = text[at + open.len()..].split_once(close).map(|(inside, _)| inside.trim());
            inside.is_some_and(|name| name.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '.' | '=')))
        })
    })
}

/// Whether the text says that it has to be replaced, as examples do.
fn asks_to_be_changed(text: &str) -> bool {
    let letters: String = text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let requests = ["changeme", "changethis", "replaceme", "replacethis", "replacewith", "yoursecret"];
    letters == "todo" || letters.contains("xxxxxxxx") || requests.into_iter().any(|request| letters.contains(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_templates_and_examples_leave_is_a_placeholder() {
        for text in [
            "${NOT_EXPANDED}",
            "${not_expanded}",
            "${NAME:-default}",
            "redis://gateway:${GATEWAY_PASSWORD}@redis:6379",
            "$(POD_SECRET)",
            "$SECRET_OF_THE_SHOP",
            "%INTERNAL_SECRET%",
            "@INTERNAL_SECRET@",
            "__INTERNAL_SECRET__",
            "{{ .Values.internalSecret }}",
            "{{internal_secret}}",
            "((internal_secret))",
            "((scenecast/internal-secret))",
            "redis://gateway:((redis.password))@redis:6379",
            "#{InternalSecret}",
            "#{ internal_secret }#",
            "<%= internal_secret %>",
            "ENC[AES256_GCM,data:Zm9v,iv:YmFy,tag:YmF6,type:str]",
            "vault:secret/data/scenecast#internal",
            "ref+vault://secret/scenecast#/internal",
            "op://prod/scenecast/internal",
            "arn:aws:secretsmanager:eu-west-1:1:secret:internal",
            "<name>",
            "CHANGEME",
            "redis://gateway:<password>@redis:6379",
            "<your API key>",
            "<密码>",
            "CHANGE_ME",
            "change-me-change-me",
            "please change this",
            "Replace me with 32 characters",
            "your-secret-goes-here",
            "wxxxxxxxxxxxxxxxxx",
            "todo",
            "TODO",
            "…",
            "...",
            "****************",
            "xxxxxxxxxxxxxxxx",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn real_values_are_no_placeholders() {
        for text in [
            "",
            "*",
            "hush-hush",
            "3f9a$c{1}d<2>e(4)%5%",
            "$2b$12$abcdefghijklmnopqrstuv",
            "p@ss@word",
            "$c2FVsBQIhrscChlQIMVb5sSYspob7oD",
            "C2FVsBQIhrscChlQIMV+b5sSYspob7oD==",
            "a((1))b#{2}",
            "ENCODED[x]y",
            "vaulted",
            "redis://gateway:a$b%40c@redis:6379/0",
            "https://www.example.com",
            "pages/login/login",
            "what-your-backend-redeems-with",
            "Todo List",
            "X. Y. Zhang",
            "https://www.fillinstation.example",
        ] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
