//! Addresses of the organization's pages and resources, as in the browser or in answers.

use percent_encoding::percent_decode_str;
use url::Url;

/// Returns the decoded segments of an address of the organization, below it.
pub(super) fn segments(address: &str, organization: &str) -> Option<Vec<String>> {
    let url = Url::parse(address).ok()?;
    let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let mut segments: Vec<String> = url.path_segments()?.map(decoded).collect();
    match url.host_str()? {
        "dev.azure.com" if segments.first()?.eq_ignore_ascii_case(organization) => {
            segments.remove(0);
        }
        host if host.eq_ignore_ascii_case(&format!("{organization}.visualstudio.com")) => {}
        _ => return None,
    }
    Some(segments)
}
