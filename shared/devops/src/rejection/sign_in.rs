//! Recognizes the way to a sign-in page, and the page itself.

use url::Url;

use super::text;
use crate::host::SharedHost;

/// Hosts that sign people in; so do the hosts below them.
const SIGN_IN_HOSTS: &[&str] = &[
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.microsoftonline.de",
    "login.microsoft.com",
    "login.windows.net",
    "login.windows-ppe.net",
    "login.live.com",
    "login.partner.microsoftonline.cn",
    "login.chinacloudapi.cn",
    "login-us.microsoftonline.com",
    "sts.windows.net",
    "b2clogin.com",
    "ciamlogin.com",
];
/// Host names of Azure DevOps, whose own sign-in is a path.
const AZURE_DEVOPS: &[&str] = &["dev.azure.com", "visualstudio.com"];
/// Titles of sign-in pages, in small letters.
const TITLES: &[&str] = &[
    "azure devops services | sign in",
    "azure devops | sign in",
    "azure devops services - sign in",
    "visual studio team services | sign in",
    "visual studio online | sign in",
    "visual studio | sign in",
    "sign in to azure devops",
    "sign in to azure devops services",
    "sign in to your account",
    "sign in to your microsoft account",
];
/// Begins the title of every page of Azure DevOps, in every language.
const BRANDS: &[&str] = &["azure devops services |", "visual studio team services |"];

/// Returns whether a `Location`, relative to `from` if it is, leads to a sign-in page.
pub(super) fn is_sign_in(from: &Url, location: &str) -> bool {
    let Ok(url) = from.join(location.trim()) else { return false };
    let host = url.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    let is_under = |name: &&str| {
        host.strip_suffix(*name).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    let path = url.path().to_ascii_lowercase();
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    if SIGN_IN_HOSTS.iter().any(is_under) {
        let last = segments.next_back().unwrap_or_default();
        let signs_out = ["logout", "signout"].iter().any(|word| last.starts_with(word));
        return !signs_out && !has_wa(&url, "wsignout1.0");
    }
    if AZURE_DEVOPS.iter().any(is_under) {
        let last = segments.clone().next_back().unwrap_or_default();
        // Elsewhere it may be a project of this name.
        let is_top = last == "signin" && is_under(&SharedHost::Profiles.host());
        return is_top || segments.any(|segment| matches!(segment, "_signin" | "_signedin"));
    }
    has_wa(&url, "wsignin1.0")
}

/// Returns whether an address asks for this action of WS-Federation, as by AD FS (section 13.1 of its specification).
fn has_wa(url: &Url, action: &str) -> bool {
    url.query_pairs().any(|(name, value)| name == "wa" && value == action)
}

/// Returns whether a page has the title of a sign-in page.
pub(super) fn has_title(page: &str) -> bool {
    TITLES.contains(&title(page, &page.to_ascii_lowercase()).as_str())
}

/// Returns whether a page is a sign-in page: by its title, or because it leads on to one by itself.
pub(super) fn is_sign_in_page(from: &Url, page: &str) -> bool {
    let lower = page.to_ascii_lowercase();
    let title = title(page, &lower);
    let is_in_any_language = BRANDS.iter().any(|brand| title.starts_with(brand));
    let leads_on = |kind, address: fn(&str) -> Option<String>| {
        tags(page, &lower, kind).filter_map(address).any(|to| is_sign_in(from, &to))
    };
    TITLES.contains(&title.as_str())
        || leads_on("meta", refresh)
        || leads_on("form", |form| attribute(form, "action"))
        || (is_in_any_language && leads_on("a", |link| attribute(link, "href")))
}

/// Returns the title of a page, which `lower` repeats in lower case: without escapes, in small letters, with single blanks.
fn title(page: &str, lower: &str) -> String {
    let title = || {
        let from = lower.find("<title")?;
        let from = from + lower.get(from..)?.find('>')? + 1;
        let length = lower.get(from..)?.find("</title")?;
        page.get(from..from + length)
    };
    let title = title().map(text::unescaped).unwrap_or_default();
    title.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Returns the attributes of each tag of a kind in a page, which `lower` repeats in lower case. A tag ends at the next one
/// at the latest, so that a page of unfinished tags is read once.
fn tags<'a>(page: &'a str, lower: &'a str, kind: &'a str) -> impl Iterator<Item = &'a str> {
    let begins = |at: &usize| lower.get(..*at).is_some_and(|before| before.ends_with('<'));
    let places = lower.match_indices(kind).map(|(at, _)| at).filter(begins);
    let attributes = places.filter_map(move |at| page.get(at + kind.len()..));
    // `<formula` is no `<form`.
    let attributes = attributes.filter(|rest| rest.starts_with(is_between));
    attributes.filter_map(|rest| rest.split(['<', '>']).next())
}

/// Returns whether a character ends the name of a tag or of an attribute (HTML sections 13.2.5.8 and 13.2.5.33).
fn is_between(character: char) -> bool {
    character.is_ascii_whitespace() || character == '/'
}

/// Returns the address to which `<meta http-equiv="refresh">` leads (HTML section 4.2.5.3).
fn refresh(meta: &str) -> Option<String> {
    attribute(meta, "http-equiv").filter(|kind| kind.trim().eq_ignore_ascii_case("refresh"))?;
    let content = attribute(meta, "content")?;
    let address = content.split_once([';', ','])?.1.trim_start();
    let named = address.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("url"));
    let address = named.map_or(address, |(_, address)| address);
    Some(
        address
            .trim_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\''))
            .to_owned(),
    )
}

/// Returns the value of the first attribute of this name, without escapes.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = attributes(tag).find(|(found, _)| found.eq_ignore_ascii_case(name))?.1;
    Some(text::unescaped(value))
}

/// Returns the attributes of a tag, each with its value, or without one as an empty text.
fn attributes(tag: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = tag;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(is_between);
        // An equals sign at the beginning belongs to the name.
        let first = rest.chars().next()?.len_utf8();
        let length = rest.get(first..)?.find(|c| is_between(c) || c == '=');
        let (name, after) = rest.split_at(length.map_or(rest.len(), |length| first + length));
        let (value, after) = match after.trim_start().strip_prefix('=') {
            Some(after) => value(after.trim_start()),
            None => ("", after),
        };
        rest = after;
        Some((name, value))
    })
}

/// Returns the value at the beginning of a text, in quotes or up to the next blank, and the text behind it.
fn value(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(inside) = text.strip_prefix(quote) {
            return inside.split_once(quote).unwrap_or((inside, ""));
        }
    }
    text.split_at(text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn from() -> Url {
        "https://dev.azure.com/mycompany/_apis/projects".parse().unwrap()
    }

    #[test]
    fn every_sign_in_address_is_recognized() {
        for location in [
            "https://spsprodcus1.vssps.visualstudio.com/_signin?realm=dev.azure.com",
            "https://app.vssps.visualstudio.com/_signin",
            "https://app.vssps.visualstudio.com/signin?x",
            "https://app.vssps.visualstudio.com/go/signin?x",
            "https://aex.dev.azure.com/_signin?x",
            "https://mycompany.visualstudio.com/_signedin",
            "https://vssps.dev.azure.com/mycompany/_SignIn?x",
            "/_signin?reply_to=x",
            "//login.microsoftonline.com/common/oauth2/authorize?x",
            "HTTPS://LOGIN.MICROSOFTONLINE.COM:443/common/oauth2/v2.0/authorize",
            "https://login.microsoftonline.us/common",
            "https://login.partner.microsoftonline.cn/common",
            "https://login.windows.net",
            "https://login.live.com/oauth20_authorize.srf",
            "https://device.login.microsoftonline.com/",
            "https://mycompany.b2clogin.com/x",
            "https://adfs.mycompany.example/adfs/ls/?wa=wsignin1.0&wtrealm=x",
        ] {
            assert!(is_sign_in(&from(), location), "{location}");
        }
    }

    #[test]
    fn other_addresses_are_not_sign_in_addresses() {
        for location in [
            "https://dev.azure.com/mycompany/other?u=https://login.x/_signin",
            "https://dev.azure.com/mycompany/p#/_signin",
            "https://mycompany.blob.core.windows.net/login.html?sig=1",
            "https://mycompany.blob.core.windows.net/_signin?sig=1",
            "https://dev.azure.com/mycompany/login.microsoftonline.com",
            "https://dev.azure.com/mycompany/signin",
            "https://notlogin.microsoftonline.com.mycompany.example/",
            "https://login.microsoftonline.com/common/oauth2/v2.0/logout?post_logout_redirect_uri=x",
            "https://login.live.com/logout.srf",
            "https://login.microsoftonline.com/common/wsfed?wa=wsignout1.0",
            "https://app.vssps.visualstudio.com/_signout",
            "/mycompany/_signing",
            "",
            "https://[",
        ] {
            assert!(!is_sign_in(&from(), location), "{location}");
        }
    }

    #[test]
    fn a_sign_in_page_is_recognized_by_its_title_or_its_destination() {
        for page in [
            "<!DOCTYPE html>\r\n<html lang=\"en-US\">\r\n<head><title>\r\n\tAzure DevOps Services | Sign In\r\n</title></head>",
            "<html><TITLE>Sign in to your account</TITLE>",
            "<html><title>Azure DevOps Services &#124; Sign&#32;In</title>",
            "<html><title>Azure DevOps Services | Anmelden</title><a class=x href='https://app.vssps.visualstudio.com/_signin'>",
            "<html><title>Object moved</title><form method=post action=\"https://login.microsoftonline.com/x/saml2\">",
            "<meta http-equiv=\"refresh\" content=\"0; url=https://login.microsoftonline.com/common/oauth2/authorize?x=1\">",
            "<META content='0;URL=\"https://login.microsoftonline.com/x\"' HTTP-EQUIV=Refresh />",
            "<meta\n http-equiv=refresh content=0,https://login.microsoftonline.com>",
            "<form id=x ACTION = https://login.microsoftonline.com/x method=post>",
            "<form action='https&#58;//login.microsoftonline.com/x",
        ] {
            assert!(is_sign_in_page(&from(), page), "{page}");
        }
        for page in [
            "",
            "<html>",
            "<html><title>Created</title><p>Work item 1 was created. <a href='https://login.microsoftonline.com'>x</a>",
            "<html><title>Sign in button is too small - Boards</title>",
            "<html><title>Sign in page | Azure DevOps</title>",
            "<title>Azure DevOps Services | Boards</title><a href='/mycompany'>x</a>",
            "<form action='/mycompany/_apis/x'><meta content='url'>",
            // The words of an attribute in another place.
            "<form data-action='https://login.microsoftonline.com/x' action='/mycompany'>",
            "<form title='action=https://login.microsoftonline.com/x'>",
            "<form action='/mycompany' action='https://login.microsoftonline.com/x'>",
            "<form>action=https://login.microsoftonline.com/x",
            "<formula action='https://login.microsoftonline.com/x'>",
            "<form action='https://login.microsoftonline.com/common/oauth2/logout'>",
            "<meta name=description content='0; url=https://login.microsoftonline.com/x'>",
            "<meta http-equiv=refresh data-content='0; url=https://login.microsoftonline.com/x' content=5>",
            "<meta http-equiv=refresh content='5' data-url='url=https://login.microsoftonline.com/x'>",
            "<title>Azure DevOps Services | Boards</title><abbr href='/_signin'><a data-href='/_signin'>",
        ] {
            assert!(!is_sign_in_page(&from(), page), "{page}");
        }
    }
}
