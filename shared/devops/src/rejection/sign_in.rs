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
    if SIGN_IN_HOSTS.iter().any(is_under) {
        return true;
    }
    let path = url.path().to_ascii_lowercase();
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    if AZURE_DEVOPS.iter().any(is_under) {
        let last = segments.clone().next_back().unwrap_or_default();
        // Elsewhere it may be a project of this name.
        let is_top = last == "signin" && is_under(&SharedHost::Profiles.host());
        return is_top || segments.any(|segment| matches!(segment, "_signin" | "_signedin"));
    }
    // WS-Federation, as by AD FS (section 13.1 of its specification).
    url.query_pairs().any(|(name, value)| name == "wa" && value == "wsignin1.0")
}

/// Returns whether a page is a sign-in page: by its title, or because it leads on to one by itself.
pub(super) fn is_sign_in_page(from: &Url, page: &str) -> bool {
    let lower = page.to_ascii_lowercase();
    let title = title(page, &lower).map(text::unescaped).unwrap_or_default();
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    if TITLES.contains(&title.as_str()) {
        return true;
    }
    let is_in_any_language = BRANDS.iter().any(|brand| title.starts_with(brand));
    let leads_on = |tag: &str, before: &str| {
        tags(page, &lower, tag).any(|tag| {
            let tag = text::unescaped(tag);
            let lower = tag.to_ascii_lowercase();
            let Some(at) = lower.find(before).map(|at| at + before.len()) else { return false };
            let value = tag.get(at..).unwrap_or_default().trim_start_matches(['"', '\'', ' ']);
            let end = value.find(['"', '\'', ' ', '>']).unwrap_or(value.len());
            value.get(..end).is_some_and(|address| is_sign_in(from, address))
        })
    };
    leads_on("<meta", "url=")
        || leads_on("<form", "action=")
        || (is_in_any_language && leads_on("<a ", "href="))
}

/// Returns the title of a page, which `lower` repeats in lower case.
fn title<'a>(page: &'a str, lower: &str) -> Option<&'a str> {
    let from = lower.find("<title")?;
    let from = from + lower.get(from..)?.find('>')? + 1;
    let length = lower.get(from..)?.find("</title")?;
    page.get(from..from + length)
}

/// Returns the attributes of each tag of a kind in a page, which `lower` repeats in lower case. A tag ends at the next one
/// at the latest, so that a page of unfinished tags is read once.
fn tags<'a>(page: &'a str, lower: &'a str, kind: &'a str) -> impl Iterator<Item = &'a str> {
    let places = lower.match_indices(kind).map(|(at, _)| at + kind.len());
    places.filter_map(move |at| page.get(at..)?.split(['<', '>']).next())
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
        ] {
            assert!(!is_sign_in_page(&from(), page), "{page}");
        }
    }
}
