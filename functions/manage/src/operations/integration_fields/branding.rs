//! `branding` of an integration.

use edge::problem::Problem;
use url::Url;
use vault::integrations::{self, InvalidBrandName, InvalidColor, ReturnOrigin};

use crate::api::wire;

/// Most bytes of a logo's address: it stands in a header of every page.
const LONGEST_ADDRESS: usize = 2048;

pub(crate) fn branding(
    given: &wire::Branding,
    origins: &[ReturnOrigin],
) -> Result<integrations::Branding, Problem> {
    let name = given.name.clone().map(TryInto::try_into).transpose();
    let accent_color = given.accent_color.clone().map(TryInto::try_into).transpose();
    Ok(integrations::Branding {
        name: name.map_err(|e: InvalidBrandName| Problem::field("branding.name", e.to_string()))?,
        logo_url: given.logo_url.as_deref().map(|text| logo_url(text, origins)).transpose()?,
        accent_color: accent_color
            .map_err(|e: InvalidColor| Problem::field("branding.accent_color", e.to_string()))?,
    })
}

/// Under the application's own origins, so that users' browsers never tell anybody else that they were here.
fn logo_url(text: &str, origins: &[ReturnOrigin]) -> Result<Url, Problem> {
    let refuse = |message: &str| Problem::field("branding.logo_url", message);
    let url = Url::parse(text).map_err(|_| refuse("an absolute address"))?;
    if !origins.iter().any(|origin| origin.covers(&url)) {
        return Err(refuse("an address under one of allowed_return_origins"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("an address without query and fragment"));
    }
    if url.as_str().len() > LONGEST_ADDRESS {
        return Err(refuse("at most 2048 bytes"));
    }
    Ok(url)
}
