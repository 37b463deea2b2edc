//! Requests for a page that nobody visits yet: a browser fetches it ahead, or a program describes a link in a message.
//!
//! Browsers announce them (<https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Purpose>, and the older
//! `Purpose`, `X-Purpose` and `X-Moz`). They drop an answer that is not 2xx, and fetch the page again at the visit.
//! Programs have no header for it, but all of them name themselves in `User-Agent`.

use http::HeaderMap;
use http::header::USER_AGENT;

use crate::problem::{Code, Problem};

const ANNOUNCED_IN: [&str; 4] = ["sec-purpose", "purpose", "x-purpose", "x-moz"];
const ANNOUNCEMENTS: [&str; 3] = ["prefetch", "prerender", "preview"];

/// Refuses a request that is no visit, before it uses up what works once or is counted.
///
/// # Errors
/// [`Code::TooEarly`] if it is announced as a prefetch, or sent by a program that previews links.
pub fn refuse(headers: &HeaderMap) -> Result<(), Problem> {
    if is_announced(headers) || is_previewed(headers) {
        return Err(Problem::new(Code::TooEarly));
    }
    Ok(())
}

fn is_announced(headers: &HeaderMap) -> bool {
    let values = ANNOUNCED_IN.iter().flat_map(|name| headers.get_all(*name));
    let mut words =
        values.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split([',', ';']));
    words.any(|word| ANNOUNCEMENTS.iter().any(|known| word.trim().eq_ignore_ascii_case(known)))
}

/// Programs name themselves by a word that ends in `bot` or `Preview`, or give the address of a page about themselves
/// (`+https://…`), which browsers do not. Cubot makes telephones.
fn is_previewed(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let agent = agent.to_ascii_lowercase();
    let mut words = agent.split(|character: char| !character.is_ascii_alphanumeric());
    agent.contains("+http")
        || agent.starts_with("whatsapp/")
        || agent.contains("externalhit")
        || words.any(|w| (w.ends_with("bot") && w != "cubot") || w.ends_with("preview"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is_refused(name: &str, value: &str, expected: bool) {
        let header = (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        let refused = refuse(&HeaderMap::from_iter([header])).map_err(|problem| problem.code());
        assert_eq!(refused, if expected { Err(Code::TooEarly) } else { Ok(()) }, "{name}: {value}");
    }

    #[test]
    fn a_prefetch_is_known_by_each_of_its_headers() {
        for (name, value) in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("sec-purpose", "prefetch;anonymous-client-ip"),
            ("sec-purpose", "none, prefetch"),
            ("purpose", "prefetch"),
            ("purpose", "Preview"),
            ("x-purpose", "preview"),
            ("x-moz", "prefetch"),
        ] {
            is_refused(name, value, true);
        }
    }

    #[test]
    fn a_preview_of_a_link_is_known_by_its_user_agent() {
        for agent in [
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
            "Mozilla/5.0 (compatible; MicrosoftPreview/2.0; +https://aka.ms/MicrosoftPreview)",
            "facebookexternalhit/1.1 Facebot Twitterbot/1.0",
            "WhatsApp/2.23.20.0 A",
            "TelegramBot (like TwitterBot)",
            "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
            "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient)",
            "Synapse (bot; +https://github.com/matrix-org/synapse)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0) Chrome/116.0.0.0",
        ] {
            is_refused("user-agent", agent, true);
        }
    }

    #[test]
    fn a_visit_is_answered() {
        for (name, value) in [
            ("sec-purpose", ""),
            ("purpose", "navigation"),
            ("x-moz", "no-prefetch"),
            ("sec-fetch-mode", "navigate"),
            ("user-agent", ""),
            (
                "user-agent",
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            ),
            (
                "user-agent",
                "Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 Chrome/116.0",
            ),
            (
                "user-agent",
                "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15",
            ),
            ("user-agent", "Lynx/2.9.0 libwww-FM/2.14"),
        ] {
            is_refused(name, value, false);
        }
    }
}
