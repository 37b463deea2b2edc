//! The hosts of Azure DevOps, enumerated: a suffix would let others in.

use crate::organization::OrganizationName;

/// Families of hosts `{family}.dev.azure.com/{organization}`, as `_apis/resourceAreas` lists them.
pub const FAMILIES: &[&str] = &[
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

/// Hosts that serve no organization in particular.
pub const WITHOUT_ORGANIZATION: &[&str] = &["app.vssps.visualstudio.com", "status.dev.azure.com"];

/// A host of Azure DevOps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// `dev.azure.com` or one of its families: the organization is the first segment of the path.
    OrganizationInPath(String),
    /// `{organization}.visualstudio.com` or `{organization}.{family}.visualstudio.com`: the twin's name,
    /// and the organization.
    OrganizationInName {
        /// The `dev.azure.com` host that serves the same.
        twin: String,
        /// From the name.
        organization: OrganizationName,
    },
    /// One of [`WITHOUT_ORGANIZATION`].
    WithoutOrganization(&'static str),
}

impl Host {
    /// The host of this name, in whatever case; `None` for every other host.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        if let Some(host) = WITHOUT_ORGANIZATION.iter().find(|host| **host == name) {
            return Some(Self::WithoutOrganization(host));
        }
        if name == "dev.azure.com" {
            return Some(Self::OrganizationInPath(name));
        }
        if let Some(family) = name.strip_suffix(".dev.azure.com") {
            return FAMILIES.contains(&family).then_some(Self::OrganizationInPath(name.clone()));
        }
        let labels = name.strip_suffix(".visualstudio.com")?;
        let (organization, twin) = match labels.split_once('.') {
            None => (labels, "dev.azure.com".to_owned()),
            Some((organization, family)) if FAMILIES.contains(&family) => {
                (organization, format!("{family}.dev.azure.com"))
            }
            Some(_) => return None,
        };
        // `app` and its like are Microsoft's own names in that zone.
        if organization == "app" || organization == "www" || FAMILIES.contains(&organization) {
            return None;
        }
        Some(Self::OrganizationInName { twin, organization: organization.parse().ok()? })
    }

    /// The name under which requests go out.
    pub fn name(&self) -> &str {
        match self {
            Self::OrganizationInPath(name) | Self::OrganizationInName { twin: name, .. } => name,
            Self::WithoutOrganization(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_on_the_list_are_hosts() {
        for good in [
            "dev.azure.com",
            "DEV.Azure.com",
            "vssps.dev.azure.com",
            "app.vssps.visualstudio.com",
            "mycompany.visualstudio.com",
            "mycompany.vsrm.visualstudio.com",
        ] {
            assert!(Host::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "azure.com",
            "evil.com",
            "dev.azure.com.evil.com",
            "evil.dev.azure.com",
            "xdev.azure.com",
            "dev.azure.com:443",
            "dev.azure.com.",
            "u@dev.azure.com",
            "a.b.visualstudio.com",
            "my_company.visualstudio.com",
            "app.visualstudio.com",
            "vssps.visualstudio.com",
            "169.254.169.254",
            "localhost",
            "dev.azure.com%2eevil.com",
            "dev\u{3002}azure.com",
        ] {
            assert!(Host::parse(bad).is_none(), "{bad}");
        }
    }
}
