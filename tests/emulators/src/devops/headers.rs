//! The headers of practically every answer of Azure DevOps, and those of its rate limits.

use jiff::Timestamp;
use uuid::Uuid;

use super::failure::page;
use super::identity::Identity;
use super::settings::RateLimit;
use crate::reply::Reply;
use crate::request::{Parameters, Received};

/// Ids that stay the same while the server runs.
pub(crate) struct ServerIds {
    process: Uuid,
    deployment: Uuid,
}

impl ServerIds {
    pub fn new() -> Self {
        Self { process: Uuid::new_v4(), deployment: Uuid::new_v4() }
    }
}

/// Returns the requested `api-version`, from the query or from the `Accept` header.
pub(crate) fn api_version(received: &Received, query: &Parameters) -> Option<String> {
    let from_accept = || {
        received
            .header("accept")?
            .split([';', ','])
            .find_map(|part| part.trim().strip_prefix("api-version="))
    };
    query.get_any_case("api-version").or_else(from_accept).map(str::to_owned)
}

/// Whether this server supports the version: `{major}.{minor}[-preview[.{n}]]` up to 7.2.
pub(crate) fn supported(version: &str) -> bool {
    let (number, preview) = match version.split_once("-preview") {
        Some((number, rest)) => (number, Some(rest)),
        None => (version, None),
    };
    let preview_ok = preview.is_none_or(|rest| {
        rest.is_empty()
            || rest.strip_prefix('.').is_some_and(|revision| revision.parse::<u8>().is_ok())
    });
    let number_ok = number
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse::<u8>().ok()?, minor.parse::<u8>().ok()?)))
        .is_some_and(|(major, minor)| (1..=7).contains(&major) && (major, minor) <= (7, 2));
    preview_ok && number_ok
}

/// Adds the usual headers; `version` only to answers that were negotiated.
pub(crate) fn finish(
    mut reply: Reply,
    received: &Received,
    ids: &ServerIds,
    caller: Option<&Identity>,
    version: Option<&str>,
) -> Reply {
    if reply.status == 503 {
        // Recorded: these come from before the application.
        return reply;
    }
    if let Some(message) = reply.message.clone() {
        if received.header("accept").is_some_and(|accept| accept.contains("text/html")) {
            reply = reply.header("content-type", "text/html; charset=utf-8").body(page(&message));
        }
        reply = reply.compressed(received.header("accept-encoding").unwrap_or_default());
    }
    if let (Some(version), true) = (version, reply.content_type().starts_with("application/json")) {
        reply = reply.header(
            "content-type",
            format!("application/json; charset=utf-8; api-version={version}"),
        );
    }
    let activity = Uuid::new_v4().to_string();
    let session = received.header("x-tfs-session").unwrap_or(&activity).to_owned();
    let end_to_end = received.header("x-vss-e2eid").unwrap_or(&activity).to_owned();
    reply = reply
        .header("x-tfs-processid", ids.process)
        .header("activityid", &activity)
        .header("x-tfs-session", session)
        .header("x-vss-e2eid", end_to_end)
        .header("x-vss-senderdeploymentid", ids.deployment)
        .header("cache-control", "no-cache")
        .header("pragma", "no-cache")
        .header("expires", "-1")
        .header("vary", "Accept-Encoding")
        .header("x-frame-options", "SAMEORIGIN")
        .header("x-content-type-options", "nosniff")
        .header("strict-transport-security", "max-age=31536000; includeSubDomains")
        .header(
            "p3p",
            "CP=\"CAO DSP COR ADMa DEV CONo TELo CUR PSA PSD TAI IVDo OUR SAMi BUS DEM NAV STA UNI COM INT PHY ONL FIN PUR LOC CNT\"",
        )
        .header("request-context", "appId=cid-v1:00000000-0000-4000-8000-0000000000ad")
        .header("access-control-expose-headers", "Request-Context")
        .header("x-cache", "CONFIG_NOCACHE")
        .header("x-msedge-ref", format!("Ref A: {} Ref B: EMULATED", Uuid::new_v4().simple()));
    if let Some(caller) = caller {
        reply = reply.header("x-vss-userdata", format!("{}:{}", caller.id, caller.username));
    }
    reply
}

/// Adds the rate-limit headers, for every status, even 200.
pub(crate) fn rate_limited(mut reply: Reply, limit: &RateLimit, now: Timestamp) -> Reply {
    reply = reply
        .header("x-ratelimit-resource", &limit.resource)
        .header("x-ratelimit-limit", limit.limit)
        .header("x-ratelimit-remaining", limit.remaining)
        .header(
            "x-ratelimit-reset",
            now.as_second().saturating_add(i64::try_from(limit.reset_in).unwrap_or(i64::MAX)),
        );
    if let Some(delay) = &limit.delay {
        reply = reply.header("x-ratelimit-delay", delay);
    }
    if let Some(seconds) = limit.retry_after {
        reply = reply.header("retry-after", seconds);
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_versions_up_to_7_2_are_supported() {
        for version in ["7.1", "5.0-preview.1", "7.2-preview", "1.0"] {
            assert!(supported(version), "{version}");
        }
        for version in ["7.3", "8.0", "x", "7", "7.1-preview.x", "0.9"] {
            assert!(!supported(version), "{version}");
        }
    }
}
