//! The hosts of Azure DevOps, enumerated, because a suffix would admit others.

use crate::organization::OrganizationName;

macro_rules! families {
    ($($variant:ident = $label:literal,)*) => {
        /// A family of hosts that serve organizations: `dev.azure.com` itself, and the hosts in `_apis/resourceAreas`.
        /// The organization is the first segment of the path.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Family {
            /// `dev.azure.com`: most of the API.
            Core,
            $(#[doc = concat!("`", $label, ".dev.azure.com`")] $variant,)*
        }

        impl Family {
            /// Every family.
            pub const ALL: &[Self] = &[Self::Core, $(Self::$variant,)*];

            /// Returns its host, to which requests are sent.
            pub fn host(self) -> &'static str {
                match self {
                    Self::Core => "dev.azure.com",
                    $(Self::$variant => concat!($label, ".dev.azure.com"),)*
                }
            }

            /// Returns the family of a label in lower case, as in `{label}.dev.azure.com` and
            /// `{organization}.{label}.visualstudio.com`.
            fn of_label(label: &str) -> Option<Self> {
                match label {
                    $($label => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

families! {
    Advsec = "advsec",
    Almsearch = "almsearch",
    Analytics = "analytics",
    Artifacts = "artifacts",
    Auditservice = "auditservice",
    Azchatops = "azchatops",
    Codelens = "codelens",
    Commvtwo = "commvtwo",
    Dataimport = "dataimport",
    Dpdbot = "dpdbot",
    Entreq = "entreq",
    Extmgmt = "extmgmt",
    Feeds = "feeds",
    Gdprdel = "gdprdel",
    Governance = "governance",
    Pkgs = "pkgs",
    Vsaex = "vsaex",
    Vsblob = "vsblob",
    Vscommerce = "vscommerce",
    Vsdscops = "vsdscops",
    Vslicense = "vslicense",
    Vsrm = "vsrm",
    Vssh = "vssh",
    Vssps = "vssps",
    Vstmr = "vstmr",
    Vstoken = "vstoken",
    Vstskalypso = "vstskalypso",
}

/// A host that serves no organization in particular.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SharedHost {
    /// `app.vssps.visualstudio.com`: the user's profile and accounts.
    Profiles,
    /// `status.dev.azure.com`: the service's health.
    Status,
}

impl SharedHost {
    /// Every such host.
    pub const ALL: &[Self] = &[Self::Profiles, Self::Status];

    /// Returns its name.
    pub fn host(self) -> &'static str {
        match self {
            Self::Profiles => "app.vssps.visualstudio.com",
            Self::Status => "status.dev.azure.com",
        }
    }

    /// Returns the areas below `_apis` that concern the user and no organization, in lower case, and the discovery that
    /// leads to them. All others stay closed, because such a host also reaches organizations by id, and hands out
    /// credentials that are valid in every organization of the user.
    pub(crate) fn areas(self) -> &'static [&'static str] {
        match self {
            Self::Profiles => &[
                "account",
                "accounts",
                "connectiondata",
                "location",
                "profile",
                "resourceareas",
                "servicedefinitions",
            ],
            Self::Status => &["status"],
        }
    }
}

/// A host of Azure DevOps, by the name that the caller used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A family's own host.
    OrganizationInPath(Family),
    /// `{organization}.visualstudio.com` or `{organization}.{family}.visualstudio.com`: equivalent to the family's own
    /// host, with the organization from the name.
    OrganizationInName {
        /// The family whose host serves the same.
        family: Family,
        /// The organization from the name.
        organization: OrganizationName,
    },
    /// A host that serves no organization in particular.
    Shared(SharedHost),
}

/// Names in the place of an organization's, in Microsoft's own use of `visualstudio.com`.
const NOT_ORGANIZATIONS: &[&str] = &["app", "www"];

impl Host {
    /// Returns the host of this name, in any case, or `None` for every other host and for anything more than a host's
    /// name.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        if let Some(shared) = SharedHost::ALL.iter().find(|shared| shared.host() == name) {
            return Some(Self::Shared(*shared));
        }
        if name == Family::Core.host() {
            return Some(Self::OrganizationInPath(Family::Core));
        }
        if let Some(label) = name.strip_suffix(".dev.azure.com") {
            return Family::of_label(label).map(Self::OrganizationInPath);
        }
        let labels = name.strip_suffix(".visualstudio.com")?;
        let (organization, family) = match labels.split_once('.') {
            None => (labels, Family::Core),
            Some((organization, label)) => (organization, Family::of_label(label)?),
        };
        if NOT_ORGANIZATIONS.contains(&organization) || Family::of_label(organization).is_some() {
            return None;
        }
        Some(Self::OrganizationInName { family, organization: organization.parse().ok()? })
    }

    /// Returns the name of the host to which requests are sent.
    pub fn name(&self) -> &'static str {
        match self {
            Self::OrganizationInPath(family) | Self::OrganizationInName { family, .. } => {
                family.host()
            }
            Self::Shared(shared) => shared.host(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_found_by_its_own_name_and_by_its_legacy_name() {
        assert_eq!(Family::ALL.len(), 28);
        for family in Family::ALL {
            assert_eq!(Host::parse(family.host()), Some(Host::OrganizationInPath(*family)));
            let label = family.host().strip_suffix("dev.azure.com").unwrap();
            let legacy = Host::parse(&format!("MyCompany.{label}visualstudio.com")).unwrap();
            assert_eq!(legacy.name(), family.host());
            let organization = "mycompany".parse().unwrap();
            assert_eq!(legacy, Host::OrganizationInName { family: *family, organization });
        }
        for shared in SharedHost::ALL {
            assert_eq!(Host::parse(shared.host()), Some(Host::Shared(*shared)));
        }
        assert_eq!(Host::parse("DEV.Azure.COM"), Some(Host::OrganizationInPath(Family::Core)));
    }

    #[test]
    fn other_names_are_no_hosts() {
        for bad in [
            "",
            ".",
            "azure.com",
            ".dev.azure.com",
            "evil.com",
            "dev.azure.com.evil.com",
            "evil.dev.azure.com",
            "xdev.azure.com",
            "a.vssps.dev.azure.com",
            "app.vssps.dev.azure.com",
            "dev.azure.com:443",
            "dev.azure.com.",
            "dev.azure.com ",
            " dev.azure.com",
            "dev.azure.com/",
            "dev.azure.com\\",
            "dev.azure.com\0",
            "dev.azure.com#",
            "dev.azure.com@evil.com",
            "u@dev.azure.com",
            "dev.azure.com%2eevil.com",
            "dev%2eazure.com",
            "dev\u{3002}azure.com",
            "d\u{ff45}v.azure.com",
            "dev.azur\u{435}.com",
            "visualstudio.com",
            ".visualstudio.com",
            "a.b.visualstudio.com",
            "a.b.vssps.visualstudio.com",
            "-a.visualstudio.com",
            "my_company.visualstudio.com",
            "mycompany.visualstudio.com.evil.com",
            "app.visualstudio.com",
            "vssps.visualstudio.com",
            "vssps.vssps.visualstudio.com",
            "mycompany.tunnels.visualstudio.com",
            "mycompany.blob.core.windows.net",
            "graph.microsoft.com",
            "login.microsoftonline.com",
            "169.254.169.254",
            "0x7f.1",
            "[::1]",
            "localhost",
        ] {
            assert_eq!(Host::parse(bad), None, "{bad:?}");
        }
    }
}
