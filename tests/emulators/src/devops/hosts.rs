//! The host names of Azure DevOps, and the organization and service in each.

use crate::request::Received;

/// Service families: `https://{family}.dev.azure.com/{organization}/`; the empty name is `dev.azure.com` itself.
pub(crate) const FAMILIES: &[&str] = &[
    "",
    "advsec",
    "almsearch",
    "analytics",
    "artifacts",
    "auditservice",
    "azchatops",
    "codelens",
    "commvtwo",
    "dataimport",
    "dpdbot",
    "entreq",
    "extmgmt",
    "feeds",
    "gdprdel",
    "governance",
    "pkgs",
    "vsaex",
    "vsblob",
    "vscommerce",
    "vsdscops",
    "vslicense",
    "vsrm",
    "vssh",
    "vssps",
    "vstmr",
    "vstoken",
    "vstskalypso",
];

/// The meaning of a host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// `dev.azure.com` and its families: the organization is the first path segment.
    Named { family: &'static str },
    /// `{organization}.visualstudio.com` and `{organization}.{family}.visualstudio.com`.
    Legacy { family: &'static str, organization: String },
    /// `app.vssps.visualstudio.com`: profile and accounts, no organization.
    Deployment,
    /// `status.dev.azure.com`
    Status,
}

impl Site {
    /// From the `Host` header; the emulator's own loopback address means `dev.azure.com`.
    pub fn of(request: &Received) -> Option<Self> {
        let host = request.host();
        let host = if host.starts_with('[') {
            // An IPv6 literal: the server listens on loopback only.
            "localhost"
        } else {
            host.split(':').next().unwrap_or_default()
        };
        if host == "localhost" || host.parse::<std::net::Ipv4Addr>().is_ok() {
            return Some(Self::Named { family: "" });
        }
        match host {
            "dev.azure.com" => return Some(Self::Named { family: "" }),
            "status.dev.azure.com" => return Some(Self::Status),
            "app.vssps.visualstudio.com" | "app.vssps.dev.azure.com" => {
                return Some(Self::Deployment);
            }
            _ => {}
        }
        if let Some(name) = host.strip_suffix(".dev.azure.com") {
            return family(name).map(|family| Self::Named { family });
        }
        let name = host.strip_suffix(".visualstudio.com")?;
        let (organization, family_name) = name.split_once('.').unwrap_or((name, ""));
        family(family_name)
            .map(|family| Self::Legacy { family, organization: organization.to_owned() })
    }

    pub fn family(&self) -> &'static str {
        match self {
            Self::Named { family } | Self::Legacy { family, .. } => family,
            Self::Deployment => "vssps",
            Self::Status => "status",
        }
    }

    /// The URL of an organization in another family, in the form (new or legacy) of this host.
    pub fn url(&self, family: &str, organization: &str) -> String {
        let dot = if family.is_empty() { "" } else { "." };
        match self {
            Self::Legacy { .. } => format!("https://{organization}{dot}{family}.visualstudio.com"),
            _ => format!("https://{family}{dot}dev.azure.com/{organization}"),
        }
    }
}

fn family(name: &str) -> Option<&'static str> {
    FAMILIES.iter().copied().find(|family| *family == name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::{HeaderMap, HeaderValue, Method, Uri};

    use super::*;

    fn site(host: &str) -> Option<Site> {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_str(host).unwrap());
        Site::of(&Received {
            method: Method::GET,
            uri: Uri::from_static("/"),
            headers,
            body: bytes::Bytes::new(),
        })
    }

    #[test]
    fn family_and_organization_are_read_from_host_names() {
        assert_eq!(site("DEV.azure.com"), Some(Site::Named { family: "" }));
        assert_eq!(site("127.0.0.1:8082"), Some(Site::Named { family: "" }));
        assert_eq!(site("vsrm.dev.azure.com"), Some(Site::Named { family: "vsrm" }));
        assert_eq!(site("app.vssps.visualstudio.com"), Some(Site::Deployment));
        let legacy = site("mycompany.vssps.visualstudio.com").unwrap();
        assert_eq!(legacy.family(), "vssps");
        assert_eq!(legacy.url("", "mycompany"), "https://mycompany.visualstudio.com");
        assert_eq!(legacy.url("vsrm", "mycompany"), "https://mycompany.vsrm.visualstudio.com");
        assert_eq!(site("evil.example"), None);
        assert_eq!(site("unknown.dev.azure.com"), None);
    }
}
