//! A second opinion on batches: a lenient reader finds the same calls in whatever is accepted, and each of them is within
//! the organization and allowed.

use devops::address::Address;
use devops::batch::{BatchedCall, MOST_CALLS, calls};
use devops::organization::OrganizationName;
use devops::policy::{CallPolicy, CallRule};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;
use url::Url;

/// The place of a batch: its host and path.
type Place = (&'static str, &'static str);

const WORK_ITEMS: Place = ("dev.azure.com", "/mycompany/_apis/wit/$batch");
const ANALYTICS: Place = ("analytics.dev.azure.com", "/mycompany/Website/_odata/v4.0/$batch");

/// Judges `place SEPARATOR type SEPARATOR body`, where the place is `odata` or else that of work items. Returns whether the
/// batch has calls that can be read.
pub fn judge(input: &[u8]) -> bool {
    let Some([place, kind, body]) = crate::parts(input) else { return false };
    let (host, path) = if place == "odata" { ANALYTICS } else { WORK_ITEMS };
    let allowed: [OrganizationName; 1] = ["mycompany".parse().unwrap()];
    let batch = Address::parse(host, path, None, &allowed).unwrap();
    let Ok(kind) = HeaderValue::from_str(kind) else { return false };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind.clone())]);
    let Ok(read) = calls(&Method::POST, &batch, &headers, body.as_bytes()) else { return false };
    let read = read.expect("the address is that of a batch");
    assert!(read.len() <= MOST_CALLS, "{} calls", read.len());
    let kind = kind.to_str().unwrap();
    let written = if kind.trim_start().to_ascii_lowercase().starts_with("multipart/") {
        written_in_parts(body, boundary(kind).expect("a boundary"))
    } else {
        // `Value` refuses numbers and texts that a reader may skip.
        let Some(written) = written_in_json(body) else { return false };
        written
    };
    assert_eq!(read.len(), written.len(), "{read:?} of {written:?}");
    for (call, written) in read.iter().zip(&written) {
        judge_call(call, written, &batch);
    }
    !read.is_empty()
}

/// A call as the body has it: method, address, and whether a slash at its beginning is the organization's.
#[derive(Debug)]
struct Written {
    method: String,
    uri: String,
    below_organization: bool,
}

fn written_in_json(body: &str) -> Option<Vec<Written>> {
    let body = body.strip_prefix('\u{feff}').unwrap_or(body);
    let value: Value = serde_json::from_str(body).ok()?;
    let (calls, uri) = match value {
        Value::Array(calls) => (calls, "uri"),
        mut value => (value["requests"].take().as_array().expect("calls").clone(), "url"),
    };
    let text = |call: &Value, name: &str| call[name].as_str().expect("a text").to_owned();
    let written = calls.iter().map(|call| Written {
        method: text(call, "method"),
        uri: text(call, uri),
        below_organization: uri == "uri",
    });
    Some(written.collect())
}

fn boundary(kind: &str) -> Option<&str> {
    let lower = kind.to_ascii_lowercase();
    let value = &kind[lower.find("boundary")? + "boundary".len()..];
    let value = value.trim_start().strip_prefix('=')?.trim();
    let value =
        value.strip_prefix('"').map_or(value, |value| value.split('"').next().unwrap_or_default());
    Some(value.split(';').next().unwrap_or_default().trim())
}

/// Reads the calls of a multipart body as a lenient server does: whatever is between two delimiters is a part, and the first
/// line after its headers that looks like a request is one.
fn written_in_parts(body: &str, boundary: &str) -> Vec<Written> {
    let delimiter = format!("--{boundary}");
    let mut parts: Vec<Vec<&str>> = Vec::new();
    for line in body.lines() {
        if line.trim_start().starts_with(&delimiter) {
            parts.push(Vec::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(line);
        }
    }
    parts.iter().flat_map(|lines| written_in_part(lines)).collect()
}

fn written_in_part(lines: &[&str]) -> Vec<Written> {
    let headers_end = lines.iter().position(|line| line.trim().is_empty()).unwrap_or(lines.len());
    let (headers, content) = lines.split_at(headers_end);
    let kind = headers.iter().find(|line| line.to_ascii_lowercase().starts_with("content-type"));
    if let Some(inner) = kind.and_then(|kind| boundary(kind)) {
        return written_in_parts(&content.join("\n"), inner);
    }
    let request = content.iter().find_map(|line| {
        let (method, rest) = line.trim().split_once(' ')?;
        let (uri, version) = rest.rsplit_once(' ')?;
        let is_request = version.to_ascii_uppercase().starts_with("HTTP/");
        is_request.then(|| Written {
            method: method.to_owned(),
            uri: uri.trim().to_owned(),
            below_organization: false,
        })
    });
    request.into_iter().collect()
}

/// Asserts that a call is what its batch has in this place, and that no reading of it leaves the organization.
fn judge_call(call: &BatchedCall, written: &Written, batch: &Address) {
    assert!(call.method.as_str().eq_ignore_ascii_case(&written.method), "{call:?} of {written:?}");
    assert!(!call.readings.is_empty(), "{written:?} is judged as no address");
    for reading in &call.readings {
        let organization = reading.organization().map(OrganizationName::as_str);
        assert_eq!(organization, Some("mycompany"), "{written:?}");
    }
    let resolved = resolved(written, batch);
    let judged: Vec<String> = call.readings.iter().map(|reading| normal(reading.url())).collect();
    assert!(judged.contains(&normal(&resolved)), "{written:?} leads to {resolved}, not {judged:?}");
    judge_allowed(call, &resolved);
}

/// Returns where the `url` crate takes the address of a call.
fn resolved(written: &Written, batch: &Address) -> Url {
    // These delimit for the crate, and are characters of the path for Azure DevOps.
    let uri = written.uri.trim().replace(' ', "%20").replace('\\', "%5C").replace('#', "%23");
    if written.below_organization && uri.starts_with('/') {
        return Url::parse(&format!("https://{}/mycompany{uri}", batch.host()))
            .expect("an address");
    }
    let resolved = if uri.contains("://") || uri.starts_with('/') {
        batch.url().join(&uri)
    } else {
        // `a:b` would be another scheme.
        batch.url().join(&format!("./{uri}"))
    };
    let resolved = resolved.expect("an address");
    let Some(organization) =
        resolved.host_str().and_then(|host| host.strip_suffix(".visualstudio.com"))
    else {
        return resolved;
    };
    // The organization moves from the name into the path.
    let (organization, family) = organization.split_once('.').unwrap_or((organization, ""));
    let host = if family.is_empty() {
        "dev.azure.com".to_owned()
    } else {
        format!("{family}.dev.azure.com")
    };
    let rest = resolved.query().map_or_else(String::new, |query| format!("?{query}"));
    Url::parse(&format!("https://{host}/{organization}{}{rest}", resolved.path()))
        .expect("an address")
}

/// Returns an address without the differences of encoding, and without its last slash.
fn normal(url: &Url) -> String {
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let path = decoded(url.path().trim_end_matches('/'));
    let query = decoded(url.query().unwrap_or_default());
    format!("{:?} {path:?} {query:?}", url.host_str().map(str::to_ascii_lowercase))
}

/// Asserts that a policy of reading projects allows a call only if it reads projects.
fn judge_allowed(call: &BatchedCall, resolved: &Url) {
    let rule: CallRule = serde_json::from_value(
        serde_json::json!({"methods": ["GET"], "paths": ["/_apis/projects"]}),
    )
    .unwrap();
    let policy = CallPolicy::from(vec![rule]);
    let is_allowed = call.readings.iter().all(|reading| policy.allows(&call.method, reading));
    let path =
        percent_encoding::percent_decode_str(resolved.path()).decode_utf8_lossy().to_lowercase();
    let segments: Vec<_> =
        path.split(['/', '\\']).filter(|segment| !segment.is_empty()).skip(1).collect();
    assert!(!segments.contains(&"$batch"), "{resolved} is a batch, whose calls are not judged");
    let below = segments.strip_prefix(&["defaultcollection"]).unwrap_or(&segments);
    let reads_projects = below.starts_with(&["_apis", "projects"])
        && [Method::GET, Method::HEAD].contains(&call.method);
    assert!(!is_allowed || reads_projects, "{resolved} is allowed as {call:?}");
}
